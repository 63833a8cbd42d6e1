/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The `dataplane` section of the configuration file as plain values, every default filled in.
 * No DPDK here: shunt-control reads the section too, to check it and to know the ports' names.
 */
#ifndef DATAPLANE_SETTINGS_H
#define DATAPLANE_SETTINGS_H

#include "shunt/types.h"

struct json_at;	    /* config/jsonfile.h */
struct json_errors; /* config/jsonfile.h */

enum settings_memory {
	SETTINGS_MEMORY_AUTO = 0,  /* hugepages if the machine has any free */
	SETTINGS_MEMORY_HUGEPAGES, /* hugepages or refuse to start */
	SETTINGS_MEMORY_PAGES,	   /* ordinary pages */
};

enum settings_idle {
	SETTINGS_IDLE_SPIN = 0, /* poll without pause */
	SETTINGS_IDLE_ADAPTIVE, /* sleep when nothing comes */
};

enum settings_kernel {
	SETTINGS_KERNEL_NONE = 0, /* no kernel twin: static neighbors only */
	SETTINGS_KERNEL_TAP,	  /* a TAP with the device's MAC */
};

#define SETTINGS_INTERFACE_SIZE 16  /* IFNAMSIZ */
#define SETTINGS_DEVICE_SIZE	512 /* with the device's arguments */
#define SETTINGS_PATH_SIZE	4096
#define SETTINGS_LCORES_SIZE	512
#define SETTINGS_MAX_LCORE	128  /* RTE_MAX_LCORE of Debian's DPDK */
#define SETTINGS_MAX_CPU	1024 /* CPU_SETSIZE */

#define SETTINGS_MAX_ADDRESSES 16 /* of a kernel twin */
#define SETTINGS_PREFIX_SIZE   64 /* an address and its prefix length, as text */

/* An address of the balancer's own, and the network around it. */
struct settings_address {
	struct shunt_addr address;
	uint8_t bits; /* 1..32 or 1..128 */
};

struct settings_port {
	char name[SHUNT_NAME_SIZE];
	char interface[SETTINGS_INTERFACE_SIZE]; /* empty: the port has a device */
	char device[SETTINGS_DEVICE_SIZE];	 /* empty: the port has an interface */
	bool pci;	/* device is a PCI address (EAL -a), else a virtual device (EAL --vdev) */
	uint8_t kernel; /* enum settings_kernel */
	/* The rest is set with SETTINGS_KERNEL_TAP only. */
	char kernel_interface[SETTINGS_INTERFACE_SIZE];
	struct settings_address addresses[SETTINGS_MAX_ADDRESSES];
	size_t address_count;
	uint32_t punt_rate; /* frames a second, of a class */
	uint16_t rx_queue_size;
	uint16_t tx_queue_size;
	/* Of a device: the only VLAN it serves, as in struct shunt_nexthop; 0: whichever. */
	uint16_t vlan[2];
};

struct settings {
	char lcores[SETTINGS_LCORES_SIZE];	   /* for the EAL's --lcores */
	uint16_t main_lcore;			   /* for the EAL's --main-lcore */
	uint16_t worker_lcores[SHUNT_MAX_WORKERS]; /* in the order of the file */
	size_t worker_count;			   /* 1 at least */
	uint8_t memory;				   /* enum settings_memory */
	uint64_t memory_size_bytes;		   /* 0: as much as the tables and buffers need */
	uint32_t flow_table_size;		   /* flows per worker and address family */
	uint32_t source_table_size;		   /* client networks of all limits */
	uint32_t half_open_max;			   /* half-open flows per worker */
	uint8_t idle;				   /* enum settings_idle */
	uint32_t mbufs;				   /* 0: as many as queues and bursts need */
	char xdp_filter[SETTINGS_PATH_SIZE];	   /* empty: where it was built or installed */
	struct settings_port ports[SHUNT_MAX_PORTS];
	size_t port_count; /* 1 at least */
};

/*
 * Reads the dataplane section of a file and checks nothing else of it, but a file that is not
 * JSON is refused. NULL and at least one error in `errors`, or the settings; then `errors` may
 * hold warnings.
 */
struct settings *settings_load(const char *path, struct json_errors *errors);
/* The same for the section itself. */
struct settings *settings_parse(const struct json_at *section);
void settings_destroy(struct settings *settings);

/*
 * Reads the id of a VLAN, or an array of two, of which the outer stands first and is a service tag:
 * as in struct shunt_nexthop. False: absent, or an error is noted.
 */
bool settings_get_vlan(struct json_at at, uint16_t vlan[2]);
/* "10.0.0.2/24"; size: SETTINGS_PREFIX_SIZE is enough. */
void settings_address_text(const struct settings_address *address, char *text, size_t size);

#endif
