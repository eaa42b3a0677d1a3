/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ahci-registers.h - Serial ATA Advanced Host Controller Interface 1.3.1, chapters 3 and 4 */
#pragma once

enum {
	/* Of the controller. */
	AHCI_CAP = 0x00,
	AHCI_GHC = 0x04,
	AHCI_IS = 0x08,
	AHCI_PI = 0x0c,
	AHCI_VS = 0x10,

	/* Of port 0; those of others come behind. */
	AHCI_PORT_BASE = 0x100,
	AHCI_PORT_SIZE = 0x80,

	AHCI_PX_CLB = 0x00,
	AHCI_PX_CLBU = 0x04,
	AHCI_PX_FB = 0x08,
	AHCI_PX_FBU = 0x0c,
	AHCI_PX_IS = 0x10,
	AHCI_PX_IE = 0x14,
	AHCI_PX_CMD = 0x18,
	AHCI_PX_TFD = 0x20,
	AHCI_PX_SIG = 0x24,
	AHCI_PX_SSTS = 0x28,
	AHCI_PX_SCTL = 0x2c,
	AHCI_PX_SERR = 0x30,
	AHCI_PX_SACT = 0x34,
	AHCI_PX_CI = 0x38,
};

#define AHCI_CAP_S64A (1u << 31)
#define AHCI_CAP_SNCQ (1u << 30)
#define AHCI_CAP_SCLO (1u << 24)
#define AHCI_CAP_ISS  20
#define AHCI_CAP_SAM  (1u << 18)
#define AHCI_CAP_PMD  (1u << 15)
#define AHCI_CAP_NCS  8

#define AHCI_GHC_AE   (1u << 31)
#define AHCI_GHC_IE   (1u << 1)
#define AHCI_GHC_HR   (1u << 0)

#define AHCI_VS_1_3_1 0x00010301u

/* PxIS and PxIE */
#define AHCI_INT_DHRS (1u << 0)
#define AHCI_INT_PSS  (1u << 1)
#define AHCI_INT_SDBS (1u << 3)
#define AHCI_INT_UFS  (1u << 4)
#define AHCI_INT_DPS  (1u << 5)
#define AHCI_INT_PCS  (1u << 6)
#define AHCI_INT_PRCS (1u << 22)
#define AHCI_INT_OFS  (1u << 24)
#define AHCI_INT_HBFS (1u << 29)
#define AHCI_INT_TFES (1u << 30)
#define AHCI_INT_ALL  0xfdc000ffu
/* Those that follow from PxSERR. */
#define AHCI_INT_DERIVED (AHCI_INT_UFS | AHCI_INT_PCS | AHCI_INT_PRCS)

/* PxCMD */
#define AHCI_CMD_ST	  (1u << 0)
#define AHCI_CMD_SUD	  (1u << 1)
#define AHCI_CMD_POD	  (1u << 2)
#define AHCI_CMD_CLO	  (1u << 3)
#define AHCI_CMD_FRE	  (1u << 4)
#define AHCI_CMD_CCS	  8
#define AHCI_CMD_CCS_MASK (0x1fu << AHCI_CMD_CCS)
#define AHCI_CMD_FR	  (1u << 14)
#define AHCI_CMD_CR	  (1u << 15)
#define AHCI_CMD_ATAPI	  (1u << 24)
#define AHCI_CMD_DLAE	  (1u << 25)
/* What a guest writes, and reads again. */
#define AHCI_CMD_WRITABLE (AHCI_CMD_ST | AHCI_CMD_FRE | AHCI_CMD_ATAPI | AHCI_CMD_DLAE)

/* PxSSTS: a drive that talks at 6 Gbit/s, and one that is off. */
#define AHCI_SSTS_UP	 0x133u
#define AHCI_SSTS_OFF	 0x004u

#define AHCI_SCTL_DET	 0x00fu
#define AHCI_SCTL_RESET	 1u
#define AHCI_SCTL_OFF	 4u

#define AHCI_SERR_DIAG_X (1u << 26)
#define AHCI_SERR_DIAG_F (1u << 25)
#define AHCI_SERR_DIAG_N (1u << 16)

/* Command lists, command tables, received FISes: chapter 4. */
enum {
	AHCI_SLOTS = 32,
	AHCI_HEADER_SIZE = 32,
	AHCI_LIST_SIZE = AHCI_SLOTS * AHCI_HEADER_SIZE,

	AHCI_TABLE_PACKET = 0x40,
	AHCI_TABLE_PRDT = 0x80,
	AHCI_PRD_SIZE = 16,

	AHCI_FIS_PIO_SETUP = 0x20,
	AHCI_FIS_D2H = 0x40,
	AHCI_FIS_SDB = 0x58,
	AHCI_FIS_SIZE = 0x100,
};

#define AHCI_HEADER_CLEAR (1u << 10) /* clear busy upon R_OK */
#define AHCI_HEADER_PRDTL 16
#define AHCI_PRD_BYTES	  0x003fffffu

/* Types of FISes: Serial ATA, section 10.3. */
enum {
	FIS_H2D = 0x27,
	FIS_D2H = 0x34,
	FIS_PIO_SETUP = 0x5f,
	FIS_SDB = 0xa1,

	FIS_D2H_SIZE = 20,
	FIS_PIO_SETUP_SIZE = 20,
	FIS_SDB_SIZE = 8,

	FIS_INTERRUPT = 1 << 6,
	FIS_TO_HOST = 1 << 5,
	FIS_IS_COMMAND = 1 << 7,
	FIS_CONTROL_SRST = 1 << 2,
};
