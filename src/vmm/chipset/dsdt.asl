/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the machine has that a guest cannot find otherwise. There is no PCI, no keyboard
 * controller and no VGA; the FADT says so. The power button is fixed hardware, described by
 * the FADT alone.
 */
DefinitionBlock ("", "DSDT", 2, "LVGMEM", "GMEMVMM ", 0x00000001)
{
	/* Soft off: the sleep type that the PM1 control register takes for S5. */
	Name (\_S5, Package (4) { 0x00, 0x00, 0x00, 0x00 })

	Scope (\_SB)
	{
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
}
