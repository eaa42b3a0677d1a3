/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the machine has that a guest cannot find otherwise. What varies between machines, and
 * where firmware has put things, is in a generated SSDT (acpi-tables.c): there are the names
 * that are external here, and the _STA of COM2, PEVT, FWCF and HPET.
 *
 * The power button is fixed hardware, described by the FADT alone.
 */

DefinitionBlock ("", "DSDT", 2, "LVGMEM", "GMEMVMM ", 0x00000001)
{
	External (\_SB.PCI0.BUSL, IntObj) /* the last bus */
	External (\_SB.PCI0.ECMB, IntObj) /* ECAM: base and length, which may be 0 */
	External (\_SB.PCI0.ECML, IntObj)
	External (\_SB.PCI0.MLOB, IntObj) /* window for memory below it */
	External (\_SB.PCI0.MLOL, IntObj)
	External (\_SB.PCI0.MHIB, IntObj) /* window between it and the I/O APIC */
	External (\_SB.PCI0.MHIL, IntObj)
	External (\_SB.PCI0.M64B, IntObj) /* window from 4 GiB on */
	External (\_SB.PCI0.M64L, IntObj)
	External (\_SB.PCI0.LPC.PEVT.PORT, IntObj)
	External (\_SB.VGIA, IntObj) /* the page of the generation id */

	/* Soft off: the sleep type that the PM1 control register takes for S5. */
	Name (\_S5, Package (4) { 0x00, 0x00, 0x00, 0x00 })

	/* Which interrupt controllers the guest uses: 0 is the 8259, 1 the I/O APIC. */
	Name (\PICM, Zero)
	Method (\_PIC, 1, NotSerialized)
	{
		\PICM = Arg0
	}

	Scope (\_SB)
	{
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A08")) /* PCI Express host bridge */
			Name (_CID, EisaId ("PNP0A03"))
			Name (_UID, Zero)
			Name (_SEG, Zero)
			Name (_BBN, Zero)

			/* What every machine has; the _LEN and _MAX of BUSR are set by _CRS. */
			Name (RES0, ResourceTemplate ()
			{
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					0x0000, 0x0000, 0x00FF, 0x0000, 0x0100, , , BUSR)
				IO (Decode16, 0x0CF8, 0x0CF8, 0x01, 0x08)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0x0000, 0x0000, 0x0CF7, 0x0000, 0x0CF8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0x0000, 0x0D00, 0xFFFF, 0x0000, 0xF300)
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					Cacheable, ReadWrite,
					0x00000000, 0x000A0000, 0x000BFFFF, 0x00000000, 0x00020000)
			})

			/* Windows, whose place and length WI32 and WI64 set. */
			Name (RES1, ResourceTemplate ()
			{
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite,
					0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000001, , , WN32)
			})
			Name (RES2, ResourceTemplate ()
			{
				QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					Cacheable, ReadWrite,
					0x0, 0x0, 0x0, 0x0, 0x1, , , WN64)
			})

			/* A window of Arg1 bytes, from Arg0 on. */
			Method (WI32, 2, Serialized)
			{
				CreateDWordField (RES1, ^WN32._MIN, WMIN)
				CreateDWordField (RES1, ^WN32._MAX, WMAX)
				CreateDWordField (RES1, ^WN32._LEN, WLEN)
				WMIN = Arg0
				WMAX = Arg0 + Arg1 - One
				WLEN = Arg1
				Return (RES1)
			}

			Method (WI64, 2, Serialized)
			{
				CreateQWordField (RES2, ^WN64._MIN, WMIN)
				CreateQWordField (RES2, ^WN64._MAX, WMAX)
				CreateQWordField (RES2, ^WN64._LEN, WLEN)
				WMIN = Arg0
				WMAX = Arg0 + Arg1 - One
				WLEN = Arg1
				Return (RES2)
			}

			Method (_CRS, 0, Serialized)
			{
				CreateWordField (RES0, ^BUSR._MAX, BMAX)
				CreateWordField (RES0, ^BUSR._LEN, BLEN)
				BMAX = \_SB.PCI0.BUSL
				BLEN = \_SB.PCI0.BUSL + One
				Local0 = RES0
				If (\_SB.PCI0.MLOL)
				{
					Local0 = ConcatenateResTemplate (Local0,
						WI32 (\_SB.PCI0.MLOB, \_SB.PCI0.MLOL))
				}

				If (\_SB.PCI0.MHIL)
				{
					Local0 = ConcatenateResTemplate (Local0,
						WI32 (\_SB.PCI0.MHIB, \_SB.PCI0.MHIL))
				}

				If (\_SB.PCI0.M64L)
				{
					Local0 = ConcatenateResTemplate (Local0,
						WI64 (\_SB.PCI0.M64B, \_SB.PCI0.M64L))
				}

				Return (Local0)
			}

			/*
			 * PCI Firmware Specification 3.2, section 4.5.1. The guest may have control of
			 * native hot-plug, power management events, advanced error reporting and the
			 * capability structure; there is no standard hot-plug controller.
			 */
			Method (_OSC, 4, Serialized)
			{
				CreateDWordField (Arg3, 0x00, CDW1)
				If (Arg0 == ToUUID ("33DB4D5B-1FF7-401C-9657-7441C03DD766"))
				{
					CreateDWordField (Arg3, 0x08, CDW3)
					Local0 = CDW3 & 0x1D
					If (Arg1 != One)
					{
						CDW1 |= 0x08 /* unknown revision */
					}

					If (CDW3 != Local0)
					{
						CDW1 |= 0x10 /* not everything is granted */
					}

					CDW3 = Local0
				}
				Else
				{
					CDW1 |= 0x04 /* unknown UUID */
				}

				Return (Arg3)
			}

			Device (LPC)
			{
				Name (_ADR, 0x001F0000)

				/* PIRQ[A-D]_ROUT and PIRQ[E-H]_ROUT of the ICH9: bit 7 set is off. */
				OperationRegion (PIRQ, PCI_Config, 0x60, 0x0C)
				Field (PIRQ, ByteAcc, NoLock, Preserve)
				{
					PRQA, 8,
					PRQB, 8,
					PRQC, 8,
					PRQD, 8,
					Offset (0x08),
					PRQE, 8,
					PRQF, 8,
					PRQG, 8,
					PRQH, 8
				}

				/* What a link device that is routed by register Arg0 is. */
				Method (LSTA, 1, NotSerialized)
				{
					If (Arg0 & 0x80)
					{
						Return (0x09)
					}

					Return (0x0B)
				}

				Name (LRES, ResourceTemplate ()
				{
					Interrupt (ResourceConsumer, Level, ActiveHigh, Shared, , , IRQ) { 0 }
				})
				Method (LCRS, 1, Serialized)
				{
					CreateDWordField (LRES, ^IRQ._INT, IRQN)
					IRQN = Zero
					If (!(Arg0 & 0x80))
					{
						IRQN = Arg0 & 0x0F
					}

					Return (LRES)
				}

				/* 5, 6 and 7 are the HPET's to choose from. */
				Name (LPRS, ResourceTemplate ()
				{
					Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { 10, 11 }
				})

				Device (KBD)
				{
					Name (_HID, EisaId ("PNP0303")) /* keyboard of an 8042 */
					Name (_CRS, ResourceTemplate ()
					{
						IO (Decode16, 0x0060, 0x0060, 0x01, 0x01)
						IO (Decode16, 0x0064, 0x0064, 0x01, 0x01)
						IRQNoFlags () { 1 }
					})
				}

				Device (MOU)
				{
					Name (_HID, EisaId ("PNP0F13")) /* mouse of an 8042 */
					Name (_CRS, ResourceTemplate ()
					{
						IRQNoFlags () { 12 }
					})
				}

				Device (COM1)
				{
					Name (_HID, EisaId ("PNP0501")) /* 16550A-compatible serial port */
					Name (_UID, One)
					Name (_CRS, ResourceTemplate ()
					{
						IO (Decode16, 0x03F8, 0x03F8, 0x01, 0x08)
						IRQNoFlags () { 4 }
					})
				}

				Device (COM2)
				{
					Name (_HID, EisaId ("PNP0501"))
					Name (_UID, 0x02)
					Name (_CRS, ResourceTemplate ()
					{
						IO (Decode16, 0x02F8, 0x02F8, 0x01, 0x08)
						IRQNoFlags () { 3 }
					})
				}

				/* A guest says by it that it has failed. */
				Device (PEVT)
				{
					Name (_HID, "QEMU0001") /* pvpanic */
					Name (RES0, ResourceTemplate ()
					{
						IO (Decode16, 0x0000, 0x0000, 0x01, 0x01, EVTP)
					})
					Method (_CRS, 0, Serialized)
					{
						CreateWordField (RES0, ^EVTP._MIN, PMIN)
						CreateWordField (RES0, ^EVTP._MAX, PMAX)
						PMIN = \_SB.PCI0.LPC.PEVT.PORT
						PMAX = \_SB.PCI0.LPC.PEVT.PORT
						Return (RES0)
					}
				}

				Device (RTC)
				{
					Name (_HID, EisaId ("PNP0B00")) /* AT real-time clock */
					Name (_CRS, ResourceTemplate ()
					{
						IO (Decode16, 0x0070, 0x0070, 0x01, 0x02)
						IRQNoFlags () { 8 }
					})
				}
			}

			Device (FWCF)
			{
				Name (_HID, "QEMU0002") /* firmware configuration */
				Name (_CRS, ResourceTemplate ()
				{
					IO (Decode16, 0x0510, 0x0510, 0x01, 0x0C)
				})
			}
		}

		/* Where the generation id is, in two halves. */
		Method (VGAD, 0, Serialized)
		{
			Local0 = Package (2) { 0x00, 0x00 }
			Local1 = \_SB.VGIA + 0x28
			Local0 [0] = Local1 & 0xFFFFFFFF
			Local0 [1] = Local1 >> 32
			Return (Local0)
		}

		/* Addresses that belong to no device that a guest could find. */
		Device (MBRD)
		{
			Name (_HID, EisaId ("PNP0C02")) /* motherboard resources */
			Name (_UID, One)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x04D0, 0x04D0, 0x01, 0x02) /* edge or level, of the 8259 */
				IO (Decode16, 0x0600, 0x0600, 0x01, 0x80) /* power management */
				Memory32Fixed (ReadWrite, 0xFED1C000, 0x00004000) /* RCRB */
			})
		}

		/* The ECAM, which the MCFG names too. */
		Device (DRAC)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_UID, 0x02)
			Method (_STA, 0, NotSerialized)
			{
				If (\_SB.PCI0.ECML)
				{
					Return (0x0F)
				}

				Return (Zero)
			}

			Name (RES0, ResourceTemplate ()
			{
				QWordMemory (ResourceConsumer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite,
					0x0, 0x0, 0x0, 0x0, 0x1, , , ECAM)
			})
			Method (_CRS, 0, Serialized)
			{
				CreateQWordField (RES0, ^ECAM._MIN, EMIN)
				CreateQWordField (RES0, ^ECAM._MAX, EMAX)
				CreateQWordField (RES0, ^ECAM._LEN, ELEN)
				EMIN = \_SB.PCI0.ECMB
				EMAX = \_SB.PCI0.ECMB + \_SB.PCI0.ECML - One
				ELEN = \_SB.PCI0.ECML
				Return (RES0)
			}
		}

		Device (HPET)
		{
			Name (_HID, EisaId ("PNP0103")) /* high precision event timer */
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadOnly, 0xFED00000, 0x00000400)
			})
		}

		Include ("pci-routing.asl")
	}
}
