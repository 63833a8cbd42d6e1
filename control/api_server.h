/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control API's socket (shunt/api.h): accepts clients, cuts their bytes into requests, hands
 * these to commands.h one at a time and sends the answers back in order. Nothing here blocks, and
 * every client has its own buffers and deadlines, so that none can hold up another or the loop.
 */
#ifndef CONTROL_API_SERVER_H
#define CONTROL_API_SERVER_H

struct control;
struct api_server;

/*
 * Listens at control->run_dir on control->loop; the directory must be there. The socket of a
 * process that was there before is replaced in one step: the newest process is the one that is
 * reached, and there is no moment without a socket. NULL with errno set, and the reason logged.
 */
struct api_server *api_server_create(struct control *control);

/*
 * Closes all clients and takes the socket away if it is still this process's own. To be called
 * before publish_destroy(), because requests may be waiting there.
 */
void api_server_destroy(struct api_server *server);

#endif
