/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net.h - the network behind a network device
 *
 * Theory of operation
 *
 * A backend carries Ethernet frames between a device, its client, and what the host has: a stream
 * of frames over a socket (net-stream.c), which is passt or a peer that speaks like it, or a tap
 * device (net-tap.c). It belongs to one I/O thread: its descriptors are watched in that thread's
 * main context, the client is called there, and calls here there as well, but for making and
 * freeing.
 *
 * Each frame goes with a header of virtio-net (struct virtio_net_hdr_v1, 12 bytes, little-endian)
 * that says what is left to be done with it: checksums and segments. A backend without offloads
 * gives headers of zeroes and does not look at those that it gets: its client has offered its
 * guest nothing that would be in one.
 *
 * Nothing grows without bounds. Where the host takes no more, net_send() refuses and writable()
 * says when to go on; where the client takes no more, the backend keeps that one frame and reads
 * no further until net_receive() says so, and the host's side has its own queue and its own limit.
 *
 * What the host's side says is not trusted either. A peer that goes away, or speaks nonsense, is a
 * link that is down, for good, with a warning that says why. The guest sees an unplugged cable.
 */
#pragma once

#include <glib.h>

#define NET_HEADER_SIZE 12u
#define NET_QUEUES_MAX	256u

/* Ethernet's header; an IP packet of 65535 bytes with that and a VLAN's tag. */
#define NET_FRAME_MIN 14u
#define NET_FRAME_MAX (65535u + 18u)

typedef struct NetBackend NetBackend;

/* What the device does; @queue counts pairs of queues from 0. */
typedef struct {
	/*
	 * A frame has come. Return: FALSE where there is no room. Then it is kept, and comes again
	 * after net_receive(); no other comes for this queue before.
	 */
	gboolean (*receive)(void *opaque, guint queue, const void *header, const void *frame,
			    gsize size);
	/*
	 * There are no more frames at the moment: what was batched can go. Comes behind frames of a
	 * queue before anything else.
	 */
	void (*received)(void *opaque, guint queue);
	/* After net_send() has refused: there is room again. */
	void (*writable)(void *opaque, guint queue);
	/* The host's side has gone away; who waits for writable() need not any more. */
	void (*link_down)(void *opaque);
} NetClient;

/*
 * net_stream_new - frames over a connected UNIX stream socket
 * @fd:  taken over, also on failure
 * @name: of the device, for the log
 */
NetBackend *net_stream_new(int fd, const char *name, GError **error);

/*
 * net_tap_new - tap devices, one descriptor a pair of queues
 * @fds: of /dev/net/tun or a macvtap device, attached, IFF_TAP with IFF_VNET_HDR; taken over, also
 *	 on failure
 */
NetBackend *net_tap_new(const int *fds, guint n_fds, const char *name, GError **error);

/* On the I/O thread if it was attached, or when that thread has ended. */
void net_free(NetBackend *backend);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetBackend, net_free)

/* Pairs of queues that it serves. */
guint net_queues(const NetBackend *backend);

/*
 * What frames may leave to be done, as bits of virtio-net's features: VIRTIO_NET_F_CSUM and
 * HOST_* of frames that are sent, GUEST_* of those that come.
 */
guint64 net_offloads(const NetBackend *backend);

/* FALSE: the host's side has gone away. What is sent then is lost, as with a cable. */
gboolean net_is_up(const NetBackend *backend);

/* Before anything that follows: whom it is for. Reads nothing before net_receive(). */
void net_attach(NetBackend *backend, GMainContext *context, const NetClient *client, void *opaque);

/* How many pairs of queues are used, the first ones; one after net_attach(). */
void net_use_queues(NetBackend *backend, guint n);

/*
 * net_set_offloads - what frames that come may leave to be done from now on
 * @features: VIRTIO_NET_F_GUEST_* of net_offloads()
 */
void net_set_offloads(NetBackend *backend, guint64 features);

/* Whether frames of this queue are wanted. The first may come before this returns. */
void net_receive(NetBackend *backend, guint queue, gboolean is_wanted);

/*
 * net_send - send a frame
 * @frame: its header and, behind it, the frame
 * @size: of the frame alone, NET_FRAME_MIN to NET_FRAME_MAX
 *
 * Return: FALSE where it cannot be taken now. What the host's side does not want is lost.
 */
gboolean net_send(NetBackend *backend, guint queue, const void *frame, gsize size);

/* No more for now: what net_send() has batched leaves. */
void net_flush(NetBackend *backend, guint queue);
