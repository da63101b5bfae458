/* SPDX-License-Identifier: Apache-2.0 */
/* Where the runtime files of enclaves are: nitro-cli's sockets directory, and ours. */
#ifndef NEC_ENCLAVE_PATHS_H
#define NEC_ENCLAVE_PATHS_H

#include "base/unix-socket.h"

/*
 *	<sockets>/<slot>.sock         control socket, nitro-cli's
 *	<state>/heartbeat             of whoever listens for the heartbeats of all that boot
 *	<state>/console/<slot>.sock   the console, live (debug mode)
 *	<state>/console/<slot>.log    the console, recorded; stays when the enclave is gone
 *	<state>/records/<slot>.json   what an enclave is, or was and why it ended
 *	<state>/sim/<cid>.vsock       simulation: connects to a port of the enclave
 *	<state>/sim/parent_<port>     simulation: a program of the parent listens for enclaves
 */
#define NEC_CONSOLE_DIR      "console"
#define NEC_RECORDS_DIR      "records"
#define NEC_SIM_DIR          "sim"
#define NEC_HEARTBEAT_SOCKET "heartbeat"

/*
 * The sockets directory: $NITRO_CLI_SOCKETS_PATH, else /run/nitro_enclaves; in a simulation by
 * somebody who may not write there, $XDG_RUNTIME_DIR/nitro_enclaves or /tmp/nitro_enclaves-<uid>.
 */
void nec_sockets_dir(bool simulation, struct nec_path *ret);

/* The sockets directories that enclaves of this machine can be in: nitro-cli's, and that of one's
 * own simulation if it is another. Returns how many there are. */
size_t nec_sockets_dirs(struct nec_path dirs[2]);

/*
 * Where our own files are: /run/nec when the sockets are in /run/nitro_enclaves, because
 * nitro-cli's terminate-enclave --all takes everything there for an enclave's, folders too, and
 * fails by it. Any other sockets directory has them in it. Returns a constant or @sockets_dir.
 */
const char *nec_state_dir(const char *sockets_dir);

/* The socket of the live console that belongs to a control socket. */
int nec_console_socket_of(const char *control, struct nec_path *ret, nec_error *err);

/* Whether the simulation has a socket for the enclave with @cid. Returns 1 and its path, 0, or a
 * negative errno. */
int nec_sim_socket_find(const char *sockets_dir, uint64_t cid, struct nec_path *ret,
			nec_error *err);

/* The id of an enclave on this instance: "<instance>-enc<slot>". */
void nec_enclave_id(uint64_t slot_uid, char *to, size_t size);

/*
 * Makes the directory and ours, all that a launch needs. Ours get its group and mode, so that
 * whoever may launch there may leave files in them, whoever was first. Returns 0 or a negative
 * errno.
 */
int nec_sockets_dir_make(const char *dir, nec_error *err);

/*
 * Removes the sockets of holders that were killed from the directory and from ours. Those of
 * holders that live, also of one that begins to listen just then, stay; so does what is nobody's.
 */
void nec_sockets_dir_clean(const char *dir);

/*
 * Opens the folder that a runtime file is in. Others who may write in the sockets directory could
 * have put a link to another folder in its place: that is not followed. Returns the fd, or a
 * negative errno (NEC_E_FILE_WRITE).
 */
int nec_open_folder_of(const char *path, nec_error *err);

/* Creates the file @path in its folder, in place of what has its name. Returns the fd, or as above.
 */
int nec_create_in_folder(int folder_fd, const char *path, unsigned int mode, nec_error *err);

/* The name in its folder of a runtime file. */
const char *nec_name_in_folder(const char *path);

#endif
