/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-def.h - the model of a domain's configuration
 *
 * Theory of operation
 *
 * A DomainDef is what <domain> says, no more: plain data, owned strings, no handles. The
 * parser fills it, completes it with the defaults and checks it; the formatter prints it; what
 * the formatter prints, the parser reads back to an equal model. Optional strings are NULL
 * where absent. docs/domain-xml.md describes the elements to users.
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

#include "common/cpu-set.h"
#include "common/domain-limits.h"
#include "common/kvm-support.h"
#include "driver/conf/devices/controller.h"
#include "driver/conf/devices/disk.h"
#include "driver/conf/devices/input.h"
#include "driver/conf/devices/interface.h"
#include "driver/conf/devices/memballoon.h"
#include "driver/conf/devices/panic.h"
#include "driver/conf/devices/rng.h"
#include "driver/conf/devices/serial.h"
#include "driver/conf/devices/virtio-serial.h"
#include "driver/conf/devices/watchdog.h"
#include "driver/conf/domain-types.h"
#include "driver/conf/iothreads.h"
#include "driver/conf/tune.h"
#include "driver/conf/uuid.h"

#define DOMAIN_UUID_SIZE VIR_UUID_BUFLEN

/* The longest document that is read. libvirt's protocol carries no longer string, so that
 * nothing which a client could send is refused for its length. */
#define DOMAIN_XML_MAX_BYTES (4u * 1024 * 1024)

/* The longest that a domain may print, with room for what its running adds: its id, terminals and
 * aliases of the serial ports; and besides, for each device behind a root port, its alias. */
#define DOMAIN_XML_MAX_PRINTED (DOMAIN_XML_MAX_BYTES - 4096)
#define DOMAIN_XML_ALIAS_BYTES 64u

/* What a console or a channel has more besides: a terminal or a socket, and its state. */
#define DOMAIN_XML_PORT_BYTES 1024u

#define DOMAIN_MAX_VCPUS      LIMIT_VCPUS
#define DOMAIN_MAX_NUMA_CELLS LIMIT_NUMA_CELLS

/* More PCI buses than root ports fit: so many devices are read, to be refused. */
#define DOMAIN_MAX_DEVICES    256
#define DOMAIN_MIN_MEMORY_KIB G_GUINT64_CONSTANT(1024)
#define DOMAIN_MAX_MEMORY_KIB (LIMIT_MEMORY / 1024)

/*
 * What says that something is absent, or is as this machine has it anyway, asks for nothing
 * but has to be printed again.
 */
typedef enum {
	DOMAIN_SAYS_PAE = 1 << 0,	      /* <features><pae/> */
	DOMAIN_SAYS_NO_SMM = 1 << 1,	      /* <features><smm state='off'/> */
	DOMAIN_SAYS_NO_VMPORT = 1 << 2,	      /* <features><vmport state='off'/> */
	DOMAIN_SAYS_CLOCK_RESET = 1 << 3,     /* <clock adjustment='reset'> */
	DOMAIN_SAYS_NO_BOOT_MENU = 1 << 4,    /* <os><bootmenu enable='no'/> */
	DOMAIN_SAYS_NO_USB = 1 << 5,	      /* <controller type='usb' model='none'/> */
	DOMAIN_SAYS_NO_MEMBALLOON = 1 << 6,   /* <memballoon model='none'/> */
	DOMAIN_SAYS_NO_VIDEO = 1 << 7,	      /* <video><model type='none'/></video> */
	DOMAIN_SAYS_NO_AUDIO = 1 << 8,	      /* <audio id='1' type='none'/> */
	DOMAIN_SAYS_PRIVATE_ACCESS = 1 << 9,  /* <memoryBacking><access mode='private'/> */
	DOMAIN_SAYS_SMBIOS_EMULATE = 1 << 10, /* <os><smbios mode='emulate'/> */
} DomainSays;

/* <on_poweroff>, <on_reboot>, <on_crash> */
typedef enum {
	DOMAIN_ACTION_DESTROY,
	DOMAIN_ACTION_RESTART,
	DOMAIN_ACTION_PRESERVE,
} DomainAction;

/*
 * <conversion policy="..."/>: which host touches convert pages. In <launchSecurity>, or in
 * <private> where that is alone.
 */
typedef enum {
	DOMAIN_POLICY_ON_DEMAND,
	DOMAIN_POLICY_GUEST_ONLY,
} DomainPolicy;

/* <os firmware='...'>: a descriptor of the host's is chosen when the domain is defined. */
typedef enum {
	DOMAIN_FIRMWARE_MANUAL, /* no such attribute: <loader>, or what the machine has */
	DOMAIN_FIRMWARE_BIOS,
	DOMAIN_FIRMWARE_EFI,
} DomainFirmware;

typedef enum {
	DOMAIN_LOADER_NONE,
	DOMAIN_LOADER_ROM,    /* type='rom': a BIOS, mapped below 4 GiB */
	DOMAIN_LOADER_PFLASH, /* type='pflash': two flash units, of code and of variables */
} DomainLoaderType;

/* <os><boot dev=>: kinds of devices in order of preference. */
typedef enum {
	DOMAIN_BOOT_FLOPPY,
	DOMAIN_BOOT_CDROM,
	DOMAIN_BOOT_DISK,
	DOMAIN_BOOT_NETWORK,
} DomainBootDevice;

#define DOMAIN_MAX_BOOT_DEVICES 4

/* <clock offset=> */
typedef enum {
	DOMAIN_CLOCK_UTC,
	DOMAIN_CLOCK_LOCALTIME,
	DOMAIN_CLOCK_TIMEZONE,
	DOMAIN_CLOCK_VARIABLE,
	DOMAIN_CLOCK_ABSOLUTE,
} DomainClockOffset;

typedef struct {
	char *name;   /* a CPU feature as libvirt's cpu_map calls it */
	char *policy; /* "require" or "disable" */
} DomainCpuFeature;

/* <cpu><numa><cell>: cell n has index n */
typedef struct {
	CpuSet cpus; /* empty for a cell without vCPUs */
	guint64 memory_kib;
	gboolean says_private_access;		 /* memAccess='private' */
	guint8 distances[DOMAIN_MAX_NUMA_CELLS]; /* to cell n; 0 where none was given */
} DomainNumaCell;

/* <sysinfo type='smbios'>: one <entry>. */
typedef struct {
	char *block; /* "bios", "system", "baseBoard", "chassis", "oemStrings" */
	char *name;  /* "vendor", "manufacturer", ...; NULL in oemStrings */
	char *value;
} DomainSysinfoEntry;

/* <seclabel type=> */
typedef enum {
	DOMAIN_SECLABEL_ABSENT, /* no such element: as dynamic, and not printed while it is off */
	DOMAIN_SECLABEL_DYNAMIC,
	DOMAIN_SECLABEL_STATIC,
	DOMAIN_SECLABEL_NONE,
} DomainSeclabelType;

struct DomainDef {
	int id; /* -1 while the domain is off */
	guint8 uuid[DOMAIN_UUID_SIZE];
	gboolean has_genid; /* <genid>: of the generation, which a copy has another of */
	guint8 genid[DOMAIN_UUID_SIZE];
	char *name;
	char *title;
	char *description;
	char *metadata; /* the <metadata> element as XML text, or NULL */

	guint64 memory_kib;
	guint64 current_memory_kib; /* at the start; live what the guest has */
	gboolean memory_private;    /* <memoryBacking><private/> */
	guint vcpus;
	DomainTune tune;

	char *machine; /* "q35" */

	/*
	 * Firmware. With firmware BIOS or EFI the parser leaves loader and nvram as the document
	 * has them; firmware_resolve() of driver/host fills them in when a domain is defined.
	 */
	DomainFirmware firmware;
	DomainSwitch firmware_secure_boot;   /* <firmware><feature name='secure-boot' enabled=> */
	DomainSwitch firmware_enrolled_keys; /* ... name='enrolled-keys' */
	DomainLoaderType loader_type;
	char *loader;
	DomainSwitch loader_readonly;
	DomainSwitch loader_secure;    /* never YES */
	DomainSwitch loader_stateless; /* never YES */
	char *nvram;
	char *nvram_template;
	gboolean nvram_as_source; /* <nvram type='file'><source file=>, else its text */
	guint n_boot_devices;
	DomainBootDevice boot_devices[DOMAIN_MAX_BOOT_DEVICES];
	DomainSwitch bios_useserial; /* <bios useserial=> */
	gboolean smbios_sysinfo;     /* <smbios mode='sysinfo'>, else as 'emulate' */
	GPtrArray *sysinfo;	     /* of DomainSysinfoEntry, or NULL */

	char *kernel;
	char *initrd;
	char *cmdline;

	gboolean acpi; /* always TRUE: the machine has it, so the parser completes it */
	gboolean apic; /* as above */
	DomainSays says;

	gboolean cpu_host_passthrough; /* <cpu mode='host-passthrough'>, else 'host-model' */
	GPtrArray *cpu_features;       /* of DomainCpuFeature, or NULL */
	GPtrArray *numa_cells;	       /* of DomainNumaCell, or NULL */
	DomainSwitch pmu;	       /* <features><pmu state=> */
	DomainSwitch vmcoreinfo;       /* <features><vmcoreinfo state=> */
	DomainSwitch cpu_migratable;   /* <cpu migratable='on|off'>; there is no migration yet */
	guint cpu_sockets;	       /* <topology>: 0 where absent */
	guint cpu_dies;
	guint cpu_cores;
	guint cpu_threads;
	DomainSwitch suspend_to_mem; /* <pm>; never YES: the machine has no S3 and no S4 */
	DomainSwitch suspend_to_disk;

	DomainClockOffset clock_offset;
	gint64 clock_adjustment; /* seconds; variable */
	gint64 clock_start;	 /* seconds since the epoch; absolute */
	char *clock_timezone;
	gboolean clock_basis_localtime; /* variable: basis='localtime' */
	DomainSwitch timer_hpet;	/* <timer name='hpet' present=>: absent means no */
	DomainSwitch timer_kvmclock;	/* absent means yes */
	char *timer_rtc_tickpolicy;	/* "catchup" or "delay"; NULL where absent */
	char *timer_pit_tickpolicy;	/* "delay" or "discard"; NULL where absent */
	gboolean says_timer_rtc, says_timer_pit, says_timer_tsc;
	guint64 timer_tsc_frequency; /* Hz, 0 where absent */

	DomainAction on_poweroff;
	DomainAction on_reboot;
	DomainAction on_crash;

	/* Of the model dac: who the VMM runs as. */
	DomainSeclabelType seclabel_type;
	gboolean seclabel_relabel; /* files that it writes to become its own while it runs */
	char *seclabel_label;	   /* "user:group"; of a type that is not static, live XML only */

	gboolean sw_protected; /* <launchSecurity type='sw-protected'> */
	DomainPolicy policy;

	gboolean has_sata;	    /* the SATA controller */
	GPtrArray *pci_controllers; /* of DomainPciController, by index; the root is always there */

	char *emulator;		  /* NULL: the installed gmem-vmm */
	DomainSerial *serials;	  /* by port: serials[n] is COM n + 1 */
	guint n_serials;	  /* 0 to DOMAIN_MAX_SERIALS */
	gboolean console_present; /* TRUE where there is a serial: its twin */

	/* <serial> with <target type='isa-debug'>, or NULL. Its port is no COM port: a number that
	 * no serial has. */
	DomainSerial *debug_console;

	/* Arrays that are never NULL, in the order that they are printed in. */
	GPtrArray *disks;      /* of DomainDisk, by bus and target */
	GPtrArray *interfaces; /* of DomainInterface */
	GPtrArray *rngs;       /* of DomainRng */
	GPtrArray *watchdogs;  /* of DomainWatchdog */
	GPtrArray *inputs;     /* of DomainInput */

	DomainMemballoon *memballoon; /* or NULL */
	DomainPanic *panic;	      /* or NULL */

	GPtrArray *virtio_serials; /* of DomainVirtioSerial, by index */
	GPtrArray *consoles;	   /* of DomainPort: those that are no serial port */
	GPtrArray *channels;	   /* of DomainPort */

	GArray *iothreads;	   /* of DomainIothread, by id */
	gboolean says_iothreadids; /* <iothreadids>, else <iothreads> says how many */
};

/*
 * domain_def_memory_kind - how a domain's memory is kept
 * @kind: two-sided with <launchSecurity>, windows with <private/> alone
 *
 * Return: FALSE where there is neither, so that it is the host's to choose.
 */
gboolean domain_def_memory_kind(const DomainDef *def, KvmMemoryKind *kind);

/* Has the definition say a kind of memory, windows or two-sided, where it says none. */
void domain_def_set_memory_kind(DomainDef *def, KvmMemoryKind kind);

/*
 * domain_check_dma - whether each <driver dma=> goes together with the kind of memory
 *
 * Return: FALSE with VIR_ERR_CONFIG_UNSUPPORTED that names the device; TRUE where the kind is yet
 * to be chosen.
 */
gboolean domain_check_dma(const DomainDef *def, GError **error);

/* The element that asks for a kind, for messages. */
const char *domain_memory_kind_element(KvmMemoryKind kind);

/*
 * domain_def_count_working - its devices and I/O threads that do work beside the processors
 *
 * The VMM has threads for each, which limits of threads leave room for.
 */
guint domain_def_count_working(const DomainDef *def);

/*
 * domain_def_parse - read, complete with defaults and validate a <domain> document
 * @xml: NUL-terminated text, of any length and from anyone
 *
 * May be called from any thread. A UUID is made where the document has none.
 *
 * Return: a definition for domain_def_free(), or NULL with a DRIVER_ERROR that names the
 * element and the reason:
 *   VIR_ERR_XML_DETAIL          not well formed; the message says where
 *   VIR_ERR_XML_ERROR           well formed, but a value is missing or wrong
 *   VIR_ERR_XML_INVALID_SCHEMA  with DOMAIN_PARSE_VALIDATE only
 *   VIR_ERR_OS_TYPE             another <os><type> than hvm
 *   VIR_ERR_CONFIG_UNSUPPORTED  libvirt may know it, this driver cannot do it
 *   VIR_ERR_OPERATION_ABORTED   after domain_def_stop_reading()
 */
DomainDef *domain_def_parse(const char *xml, DomainParseFlags flags, GError **error);

/*
 * domain_def_stop_reading - no document that is costly is read from here on
 *
 * Those that wait for another are refused, so that a daemon which ends waits for one only.
 */
void domain_def_stop_reading(void);

/* Return: XML text for g_free(), indented as libvirt's, ending in a newline. Never fails. */
char *domain_def_format(const DomainDef *def, DomainFormatFlags flags);

/*
 * domain_def_check_readable - whether what is written and shown of a domain can be read again
 *
 * A document grows when it is printed: a '>' becomes four characters, and defaults are added. What
 * is longer than libvirt's protocol carries could not be shown, and not be found again after a
 * restart. Checked is a domain that is complete, with room for what its running adds.
 *
 * Return: FALSE with VIR_ERR_CONFIG_UNSUPPORTED that has the size and the limit, or the reason.
 */
gboolean domain_def_check_readable(const DomainDef *def, GError **error);

/* A definition that has nothing yet. */
DomainDef *domain_def_new(void);
DomainDef *domain_def_copy(const DomainDef *def);
void domain_def_free(DomainDef *def);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainDef, domain_def_free)
