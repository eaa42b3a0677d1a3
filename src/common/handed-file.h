/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * handed-file.h - how a storage daemon gets files that it could not open itself
 *
 * Theory of operation
 *
 * QEMU's storage daemon opens what it serves by path, and in its jail it may open nothing. So the
 * daemon opens images, and sends each as a datagram with a name and one descriptor; a library that
 * is loaded before the storage daemon's own answers its open() of HANDED_FILE_FOLDER and the name
 * with that descriptor, once. The storage daemon needs no right on any file, and what a format
 * would have it open besides is not there.
 */
#pragma once

/* The number of the socket that datagrams come to. */
#define HANDED_FILE_SOCKET 3

/* Where the files seem to be. */
#define HANDED_FILE_FOLDER "/handed/"

/* The longest name, with its NUL. */
#define HANDED_FILE_NAME_SIZE 64
