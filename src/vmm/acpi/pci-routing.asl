/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How interrupt pins of PCI devices reach the interrupt controllers; a part of dsdt.asl,
 * inside \_SB.
 *
 * The ICH9 routes pins A to D of each slot of bus 0 to PIRQs A to H. With the I/O APIC these
 * are its inputs 16 to 23. With the two 8259 each PIRQ is an interrupt link, which the guest
 * connects to one of their inputs. Slots 0 to 23 take turns over PIRQ E to H; 25 to 29 and 31
 * have the reset value of the ICH9's routing registers; 24 and 30 begin with PIRQ E.
 */

Device (LNKA)
{
	Name (_HID, EisaId ("PNP0C0F")) /* PCI interrupt link */
	Name (_UID, 0x01)
	Method (_STA, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LSTA (\_SB.PCI0.LPC.PRQA))
	}

	Method (_PRS, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LPRS)
	}

	Method (_CRS, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LCRS (\_SB.PCI0.LPC.PRQA))
	}

	Method (_DIS, 0, NotSerialized)
	{
		\_SB.PCI0.LPC.PRQA |= 0x80
	}

	Method (_SRS, 1, NotSerialized)
	{
		CreateDWordField (Arg0, 0x05, IRQN) /* of an extended interrupt */
		\_SB.PCI0.LPC.PRQA = IRQN
	}
}

Device (LNKB)
{
	Name (_HID, EisaId ("PNP0C0F")) /* PCI interrupt link */
	Name (_UID, 0x02)
	Method (_STA, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LSTA (\_SB.PCI0.LPC.PRQB))
	}

	Method (_PRS, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LPRS)
	}

	Method (_CRS, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LCRS (\_SB.PCI0.LPC.PRQB))
	}

	Method (_DIS, 0, NotSerialized)
	{
		\_SB.PCI0.LPC.PRQB |= 0x80
	}

	Method (_SRS, 1, NotSerialized)
	{
		CreateDWordField (Arg0, 0x05, IRQN) /* of an extended interrupt */
		\_SB.PCI0.LPC.PRQB = IRQN
	}
}

Device (LNKC)
{
	Name (_HID, EisaId ("PNP0C0F")) /* PCI interrupt link */
	Name (_UID, 0x03)
	Method (_STA, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LSTA (\_SB.PCI0.LPC.PRQC))
	}

	Method (_PRS, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LPRS)
	}

	Method (_CRS, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LCRS (\_SB.PCI0.LPC.PRQC))
	}

	Method (_DIS, 0, NotSerialized)
	{
		\_SB.PCI0.LPC.PRQC |= 0x80
	}

	Method (_SRS, 1, NotSerialized)
	{
		CreateDWordField (Arg0, 0x05, IRQN) /* of an extended interrupt */
		\_SB.PCI0.LPC.PRQC = IRQN
	}
}

Device (LNKD)
{
	Name (_HID, EisaId ("PNP0C0F")) /* PCI interrupt link */
	Name (_UID, 0x04)
	Method (_STA, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LSTA (\_SB.PCI0.LPC.PRQD))
	}

	Method (_PRS, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LPRS)
	}

	Method (_CRS, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LCRS (\_SB.PCI0.LPC.PRQD))
	}

	Method (_DIS, 0, NotSerialized)
	{
		\_SB.PCI0.LPC.PRQD |= 0x80
	}

	Method (_SRS, 1, NotSerialized)
	{
		CreateDWordField (Arg0, 0x05, IRQN) /* of an extended interrupt */
		\_SB.PCI0.LPC.PRQD = IRQN
	}
}

Device (LNKE)
{
	Name (_HID, EisaId ("PNP0C0F")) /* PCI interrupt link */
	Name (_UID, 0x05)
	Method (_STA, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LSTA (\_SB.PCI0.LPC.PRQE))
	}

	Method (_PRS, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LPRS)
	}

	Method (_CRS, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LCRS (\_SB.PCI0.LPC.PRQE))
	}

	Method (_DIS, 0, NotSerialized)
	{
		\_SB.PCI0.LPC.PRQE |= 0x80
	}

	Method (_SRS, 1, NotSerialized)
	{
		CreateDWordField (Arg0, 0x05, IRQN) /* of an extended interrupt */
		\_SB.PCI0.LPC.PRQE = IRQN
	}
}

Device (LNKF)
{
	Name (_HID, EisaId ("PNP0C0F")) /* PCI interrupt link */
	Name (_UID, 0x06)
	Method (_STA, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LSTA (\_SB.PCI0.LPC.PRQF))
	}

	Method (_PRS, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LPRS)
	}

	Method (_CRS, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LCRS (\_SB.PCI0.LPC.PRQF))
	}

	Method (_DIS, 0, NotSerialized)
	{
		\_SB.PCI0.LPC.PRQF |= 0x80
	}

	Method (_SRS, 1, NotSerialized)
	{
		CreateDWordField (Arg0, 0x05, IRQN) /* of an extended interrupt */
		\_SB.PCI0.LPC.PRQF = IRQN
	}
}

Device (LNKG)
{
	Name (_HID, EisaId ("PNP0C0F")) /* PCI interrupt link */
	Name (_UID, 0x07)
	Method (_STA, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LSTA (\_SB.PCI0.LPC.PRQG))
	}

	Method (_PRS, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LPRS)
	}

	Method (_CRS, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LCRS (\_SB.PCI0.LPC.PRQG))
	}

	Method (_DIS, 0, NotSerialized)
	{
		\_SB.PCI0.LPC.PRQG |= 0x80
	}

	Method (_SRS, 1, NotSerialized)
	{
		CreateDWordField (Arg0, 0x05, IRQN) /* of an extended interrupt */
		\_SB.PCI0.LPC.PRQG = IRQN
	}
}

Device (LNKH)
{
	Name (_HID, EisaId ("PNP0C0F")) /* PCI interrupt link */
	Name (_UID, 0x08)
	Method (_STA, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LSTA (\_SB.PCI0.LPC.PRQH))
	}

	Method (_PRS, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LPRS)
	}

	Method (_CRS, 0, NotSerialized)
	{
		Return (\_SB.PCI0.LPC.LCRS (\_SB.PCI0.LPC.PRQH))
	}

	Method (_DIS, 0, NotSerialized)
	{
		\_SB.PCI0.LPC.PRQH |= 0x80
	}

	Method (_SRS, 1, NotSerialized)
	{
		CreateDWordField (Arg0, 0x05, IRQN) /* of an extended interrupt */
		\_SB.PCI0.LPC.PRQH = IRQN
	}
}

Scope (PCI0)
{
	Name (PRTP, Package (128) /* with the 8259 */
	{
		Package (4) { 0x0000FFFF, 0, LNKE, 0 }, Package (4) { 0x0000FFFF, 1, LNKF, 0 },
		Package (4) { 0x0000FFFF, 2, LNKG, 0 }, Package (4) { 0x0000FFFF, 3, LNKH, 0 },
		Package (4) { 0x0001FFFF, 0, LNKF, 0 }, Package (4) { 0x0001FFFF, 1, LNKG, 0 },
		Package (4) { 0x0001FFFF, 2, LNKH, 0 }, Package (4) { 0x0001FFFF, 3, LNKE, 0 },
		Package (4) { 0x0002FFFF, 0, LNKG, 0 }, Package (4) { 0x0002FFFF, 1, LNKH, 0 },
		Package (4) { 0x0002FFFF, 2, LNKE, 0 }, Package (4) { 0x0002FFFF, 3, LNKF, 0 },
		Package (4) { 0x0003FFFF, 0, LNKH, 0 }, Package (4) { 0x0003FFFF, 1, LNKE, 0 },
		Package (4) { 0x0003FFFF, 2, LNKF, 0 }, Package (4) { 0x0003FFFF, 3, LNKG, 0 },
		Package (4) { 0x0004FFFF, 0, LNKE, 0 }, Package (4) { 0x0004FFFF, 1, LNKF, 0 },
		Package (4) { 0x0004FFFF, 2, LNKG, 0 }, Package (4) { 0x0004FFFF, 3, LNKH, 0 },
		Package (4) { 0x0005FFFF, 0, LNKF, 0 }, Package (4) { 0x0005FFFF, 1, LNKG, 0 },
		Package (4) { 0x0005FFFF, 2, LNKH, 0 }, Package (4) { 0x0005FFFF, 3, LNKE, 0 },
		Package (4) { 0x0006FFFF, 0, LNKG, 0 }, Package (4) { 0x0006FFFF, 1, LNKH, 0 },
		Package (4) { 0x0006FFFF, 2, LNKE, 0 }, Package (4) { 0x0006FFFF, 3, LNKF, 0 },
		Package (4) { 0x0007FFFF, 0, LNKH, 0 }, Package (4) { 0x0007FFFF, 1, LNKE, 0 },
		Package (4) { 0x0007FFFF, 2, LNKF, 0 }, Package (4) { 0x0007FFFF, 3, LNKG, 0 },
		Package (4) { 0x0008FFFF, 0, LNKE, 0 }, Package (4) { 0x0008FFFF, 1, LNKF, 0 },
		Package (4) { 0x0008FFFF, 2, LNKG, 0 }, Package (4) { 0x0008FFFF, 3, LNKH, 0 },
		Package (4) { 0x0009FFFF, 0, LNKF, 0 }, Package (4) { 0x0009FFFF, 1, LNKG, 0 },
		Package (4) { 0x0009FFFF, 2, LNKH, 0 }, Package (4) { 0x0009FFFF, 3, LNKE, 0 },
		Package (4) { 0x000AFFFF, 0, LNKG, 0 }, Package (4) { 0x000AFFFF, 1, LNKH, 0 },
		Package (4) { 0x000AFFFF, 2, LNKE, 0 }, Package (4) { 0x000AFFFF, 3, LNKF, 0 },
		Package (4) { 0x000BFFFF, 0, LNKH, 0 }, Package (4) { 0x000BFFFF, 1, LNKE, 0 },
		Package (4) { 0x000BFFFF, 2, LNKF, 0 }, Package (4) { 0x000BFFFF, 3, LNKG, 0 },
		Package (4) { 0x000CFFFF, 0, LNKE, 0 }, Package (4) { 0x000CFFFF, 1, LNKF, 0 },
		Package (4) { 0x000CFFFF, 2, LNKG, 0 }, Package (4) { 0x000CFFFF, 3, LNKH, 0 },
		Package (4) { 0x000DFFFF, 0, LNKF, 0 }, Package (4) { 0x000DFFFF, 1, LNKG, 0 },
		Package (4) { 0x000DFFFF, 2, LNKH, 0 }, Package (4) { 0x000DFFFF, 3, LNKE, 0 },
		Package (4) { 0x000EFFFF, 0, LNKG, 0 }, Package (4) { 0x000EFFFF, 1, LNKH, 0 },
		Package (4) { 0x000EFFFF, 2, LNKE, 0 }, Package (4) { 0x000EFFFF, 3, LNKF, 0 },
		Package (4) { 0x000FFFFF, 0, LNKH, 0 }, Package (4) { 0x000FFFFF, 1, LNKE, 0 },
		Package (4) { 0x000FFFFF, 2, LNKF, 0 }, Package (4) { 0x000FFFFF, 3, LNKG, 0 },
		Package (4) { 0x0010FFFF, 0, LNKE, 0 }, Package (4) { 0x0010FFFF, 1, LNKF, 0 },
		Package (4) { 0x0010FFFF, 2, LNKG, 0 }, Package (4) { 0x0010FFFF, 3, LNKH, 0 },
		Package (4) { 0x0011FFFF, 0, LNKF, 0 }, Package (4) { 0x0011FFFF, 1, LNKG, 0 },
		Package (4) { 0x0011FFFF, 2, LNKH, 0 }, Package (4) { 0x0011FFFF, 3, LNKE, 0 },
		Package (4) { 0x0012FFFF, 0, LNKG, 0 }, Package (4) { 0x0012FFFF, 1, LNKH, 0 },
		Package (4) { 0x0012FFFF, 2, LNKE, 0 }, Package (4) { 0x0012FFFF, 3, LNKF, 0 },
		Package (4) { 0x0013FFFF, 0, LNKH, 0 }, Package (4) { 0x0013FFFF, 1, LNKE, 0 },
		Package (4) { 0x0013FFFF, 2, LNKF, 0 }, Package (4) { 0x0013FFFF, 3, LNKG, 0 },
		Package (4) { 0x0014FFFF, 0, LNKE, 0 }, Package (4) { 0x0014FFFF, 1, LNKF, 0 },
		Package (4) { 0x0014FFFF, 2, LNKG, 0 }, Package (4) { 0x0014FFFF, 3, LNKH, 0 },
		Package (4) { 0x0015FFFF, 0, LNKF, 0 }, Package (4) { 0x0015FFFF, 1, LNKG, 0 },
		Package (4) { 0x0015FFFF, 2, LNKH, 0 }, Package (4) { 0x0015FFFF, 3, LNKE, 0 },
		Package (4) { 0x0016FFFF, 0, LNKG, 0 }, Package (4) { 0x0016FFFF, 1, LNKH, 0 },
		Package (4) { 0x0016FFFF, 2, LNKE, 0 }, Package (4) { 0x0016FFFF, 3, LNKF, 0 },
		Package (4) { 0x0017FFFF, 0, LNKH, 0 }, Package (4) { 0x0017FFFF, 1, LNKE, 0 },
		Package (4) { 0x0017FFFF, 2, LNKF, 0 }, Package (4) { 0x0017FFFF, 3, LNKG, 0 },
		Package (4) { 0x0018FFFF, 0, LNKE, 0 }, Package (4) { 0x0018FFFF, 1, LNKF, 0 },
		Package (4) { 0x0018FFFF, 2, LNKG, 0 }, Package (4) { 0x0018FFFF, 3, LNKH, 0 },
		Package (4) { 0x0019FFFF, 0, LNKA, 0 }, Package (4) { 0x0019FFFF, 1, LNKB, 0 },
		Package (4) { 0x0019FFFF, 2, LNKC, 0 }, Package (4) { 0x0019FFFF, 3, LNKD, 0 },
		Package (4) { 0x001AFFFF, 0, LNKA, 0 }, Package (4) { 0x001AFFFF, 1, LNKB, 0 },
		Package (4) { 0x001AFFFF, 2, LNKC, 0 }, Package (4) { 0x001AFFFF, 3, LNKD, 0 },
		Package (4) { 0x001BFFFF, 0, LNKA, 0 }, Package (4) { 0x001BFFFF, 1, LNKB, 0 },
		Package (4) { 0x001BFFFF, 2, LNKC, 0 }, Package (4) { 0x001BFFFF, 3, LNKD, 0 },
		Package (4) { 0x001CFFFF, 0, LNKA, 0 }, Package (4) { 0x001CFFFF, 1, LNKB, 0 },
		Package (4) { 0x001CFFFF, 2, LNKC, 0 }, Package (4) { 0x001CFFFF, 3, LNKD, 0 },
		Package (4) { 0x001DFFFF, 0, LNKA, 0 }, Package (4) { 0x001DFFFF, 1, LNKB, 0 },
		Package (4) { 0x001DFFFF, 2, LNKC, 0 }, Package (4) { 0x001DFFFF, 3, LNKD, 0 },
		Package (4) { 0x001EFFFF, 0, LNKE, 0 }, Package (4) { 0x001EFFFF, 1, LNKF, 0 },
		Package (4) { 0x001EFFFF, 2, LNKG, 0 }, Package (4) { 0x001EFFFF, 3, LNKH, 0 },
		Package (4) { 0x001FFFFF, 0, LNKA, 0 }, Package (4) { 0x001FFFFF, 1, LNKB, 0 },
		Package (4) { 0x001FFFFF, 2, LNKC, 0 }, Package (4) { 0x001FFFFF, 3, LNKD, 0 }
	})

	Name (PRTA, Package (128) /* with the I/O APIC */
	{
		Package (4) { 0x0000FFFF, 0, 0, 20 }, Package (4) { 0x0000FFFF, 1, 0, 21 },
		Package (4) { 0x0000FFFF, 2, 0, 22 }, Package (4) { 0x0000FFFF, 3, 0, 23 },
		Package (4) { 0x0001FFFF, 0, 0, 21 }, Package (4) { 0x0001FFFF, 1, 0, 22 },
		Package (4) { 0x0001FFFF, 2, 0, 23 }, Package (4) { 0x0001FFFF, 3, 0, 20 },
		Package (4) { 0x0002FFFF, 0, 0, 22 }, Package (4) { 0x0002FFFF, 1, 0, 23 },
		Package (4) { 0x0002FFFF, 2, 0, 20 }, Package (4) { 0x0002FFFF, 3, 0, 21 },
		Package (4) { 0x0003FFFF, 0, 0, 23 }, Package (4) { 0x0003FFFF, 1, 0, 20 },
		Package (4) { 0x0003FFFF, 2, 0, 21 }, Package (4) { 0x0003FFFF, 3, 0, 22 },
		Package (4) { 0x0004FFFF, 0, 0, 20 }, Package (4) { 0x0004FFFF, 1, 0, 21 },
		Package (4) { 0x0004FFFF, 2, 0, 22 }, Package (4) { 0x0004FFFF, 3, 0, 23 },
		Package (4) { 0x0005FFFF, 0, 0, 21 }, Package (4) { 0x0005FFFF, 1, 0, 22 },
		Package (4) { 0x0005FFFF, 2, 0, 23 }, Package (4) { 0x0005FFFF, 3, 0, 20 },
		Package (4) { 0x0006FFFF, 0, 0, 22 }, Package (4) { 0x0006FFFF, 1, 0, 23 },
		Package (4) { 0x0006FFFF, 2, 0, 20 }, Package (4) { 0x0006FFFF, 3, 0, 21 },
		Package (4) { 0x0007FFFF, 0, 0, 23 }, Package (4) { 0x0007FFFF, 1, 0, 20 },
		Package (4) { 0x0007FFFF, 2, 0, 21 }, Package (4) { 0x0007FFFF, 3, 0, 22 },
		Package (4) { 0x0008FFFF, 0, 0, 20 }, Package (4) { 0x0008FFFF, 1, 0, 21 },
		Package (4) { 0x0008FFFF, 2, 0, 22 }, Package (4) { 0x0008FFFF, 3, 0, 23 },
		Package (4) { 0x0009FFFF, 0, 0, 21 }, Package (4) { 0x0009FFFF, 1, 0, 22 },
		Package (4) { 0x0009FFFF, 2, 0, 23 }, Package (4) { 0x0009FFFF, 3, 0, 20 },
		Package (4) { 0x000AFFFF, 0, 0, 22 }, Package (4) { 0x000AFFFF, 1, 0, 23 },
		Package (4) { 0x000AFFFF, 2, 0, 20 }, Package (4) { 0x000AFFFF, 3, 0, 21 },
		Package (4) { 0x000BFFFF, 0, 0, 23 }, Package (4) { 0x000BFFFF, 1, 0, 20 },
		Package (4) { 0x000BFFFF, 2, 0, 21 }, Package (4) { 0x000BFFFF, 3, 0, 22 },
		Package (4) { 0x000CFFFF, 0, 0, 20 }, Package (4) { 0x000CFFFF, 1, 0, 21 },
		Package (4) { 0x000CFFFF, 2, 0, 22 }, Package (4) { 0x000CFFFF, 3, 0, 23 },
		Package (4) { 0x000DFFFF, 0, 0, 21 }, Package (4) { 0x000DFFFF, 1, 0, 22 },
		Package (4) { 0x000DFFFF, 2, 0, 23 }, Package (4) { 0x000DFFFF, 3, 0, 20 },
		Package (4) { 0x000EFFFF, 0, 0, 22 }, Package (4) { 0x000EFFFF, 1, 0, 23 },
		Package (4) { 0x000EFFFF, 2, 0, 20 }, Package (4) { 0x000EFFFF, 3, 0, 21 },
		Package (4) { 0x000FFFFF, 0, 0, 23 }, Package (4) { 0x000FFFFF, 1, 0, 20 },
		Package (4) { 0x000FFFFF, 2, 0, 21 }, Package (4) { 0x000FFFFF, 3, 0, 22 },
		Package (4) { 0x0010FFFF, 0, 0, 20 }, Package (4) { 0x0010FFFF, 1, 0, 21 },
		Package (4) { 0x0010FFFF, 2, 0, 22 }, Package (4) { 0x0010FFFF, 3, 0, 23 },
		Package (4) { 0x0011FFFF, 0, 0, 21 }, Package (4) { 0x0011FFFF, 1, 0, 22 },
		Package (4) { 0x0011FFFF, 2, 0, 23 }, Package (4) { 0x0011FFFF, 3, 0, 20 },
		Package (4) { 0x0012FFFF, 0, 0, 22 }, Package (4) { 0x0012FFFF, 1, 0, 23 },
		Package (4) { 0x0012FFFF, 2, 0, 20 }, Package (4) { 0x0012FFFF, 3, 0, 21 },
		Package (4) { 0x0013FFFF, 0, 0, 23 }, Package (4) { 0x0013FFFF, 1, 0, 20 },
		Package (4) { 0x0013FFFF, 2, 0, 21 }, Package (4) { 0x0013FFFF, 3, 0, 22 },
		Package (4) { 0x0014FFFF, 0, 0, 20 }, Package (4) { 0x0014FFFF, 1, 0, 21 },
		Package (4) { 0x0014FFFF, 2, 0, 22 }, Package (4) { 0x0014FFFF, 3, 0, 23 },
		Package (4) { 0x0015FFFF, 0, 0, 21 }, Package (4) { 0x0015FFFF, 1, 0, 22 },
		Package (4) { 0x0015FFFF, 2, 0, 23 }, Package (4) { 0x0015FFFF, 3, 0, 20 },
		Package (4) { 0x0016FFFF, 0, 0, 22 }, Package (4) { 0x0016FFFF, 1, 0, 23 },
		Package (4) { 0x0016FFFF, 2, 0, 20 }, Package (4) { 0x0016FFFF, 3, 0, 21 },
		Package (4) { 0x0017FFFF, 0, 0, 23 }, Package (4) { 0x0017FFFF, 1, 0, 20 },
		Package (4) { 0x0017FFFF, 2, 0, 21 }, Package (4) { 0x0017FFFF, 3, 0, 22 },
		Package (4) { 0x0018FFFF, 0, 0, 20 }, Package (4) { 0x0018FFFF, 1, 0, 21 },
		Package (4) { 0x0018FFFF, 2, 0, 22 }, Package (4) { 0x0018FFFF, 3, 0, 23 },
		Package (4) { 0x0019FFFF, 0, 0, 16 }, Package (4) { 0x0019FFFF, 1, 0, 17 },
		Package (4) { 0x0019FFFF, 2, 0, 18 }, Package (4) { 0x0019FFFF, 3, 0, 19 },
		Package (4) { 0x001AFFFF, 0, 0, 16 }, Package (4) { 0x001AFFFF, 1, 0, 17 },
		Package (4) { 0x001AFFFF, 2, 0, 18 }, Package (4) { 0x001AFFFF, 3, 0, 19 },
		Package (4) { 0x001BFFFF, 0, 0, 16 }, Package (4) { 0x001BFFFF, 1, 0, 17 },
		Package (4) { 0x001BFFFF, 2, 0, 18 }, Package (4) { 0x001BFFFF, 3, 0, 19 },
		Package (4) { 0x001CFFFF, 0, 0, 16 }, Package (4) { 0x001CFFFF, 1, 0, 17 },
		Package (4) { 0x001CFFFF, 2, 0, 18 }, Package (4) { 0x001CFFFF, 3, 0, 19 },
		Package (4) { 0x001DFFFF, 0, 0, 16 }, Package (4) { 0x001DFFFF, 1, 0, 17 },
		Package (4) { 0x001DFFFF, 2, 0, 18 }, Package (4) { 0x001DFFFF, 3, 0, 19 },
		Package (4) { 0x001EFFFF, 0, 0, 20 }, Package (4) { 0x001EFFFF, 1, 0, 21 },
		Package (4) { 0x001EFFFF, 2, 0, 22 }, Package (4) { 0x001EFFFF, 3, 0, 23 },
		Package (4) { 0x001FFFFF, 0, 0, 16 }, Package (4) { 0x001FFFFF, 1, 0, 17 },
		Package (4) { 0x001FFFFF, 2, 0, 18 }, Package (4) { 0x001FFFFF, 3, 0, 19 }
	})

	Method (_PRT, 0, NotSerialized)
	{
		If (PICM)
		{
			Return (PRTA)
		}

		Return (PRTP)
	}
}
