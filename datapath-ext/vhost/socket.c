/* Copyright (c) 2026 The OVS-Accel Authors.
 *
 * Licensed under the Apache License, Version 2.0 (the "License");
 * you may not use this file except in compliance with the License.
 * You may obtain a copy of the License at:
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 * See the License for the specific language governing permissions and
 * limitations under the License.
 */

#include <config.h>

#include "vhost/socket.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "util.h"

/* How long librte_vhost may wait for the front end in the midst of a message.
 * One thread serves all sockets, so everybody waits with it. */
#define LIMIT_US (200 * 1000)

/* Before a port is made */

/* Fills in 'un' for 'path'.  Returns 0 or a positive errno value. */
static int
make_sockaddr(const char *path, struct sockaddr_un *un)
{
    memset(un, 0, sizeof *un);
    un->sun_family = AF_UNIX;
    if (path[0] != '/') {
        return EINVAL;
    }
    if (strlen(path) >= sizeof un->sun_path) {
        return ENAMETOOLONG;
    }
    ovs_strlcpy(un->sun_path, path, sizeof un->sun_path);
    return 0;
}

/* Checks that the directory of socket 'path' exists.  Returns 0 or a positive
 * errno value. */
static int
check_directory(const char *path)
{
    char *dir = dir_name(path);
    int error = 0;
    struct stat s;

    if (stat(dir, &s)) {
        error = errno;
    } else if (!S_ISDIR(s.st_mode)) {
        error = ENOTDIR;
    }
    free(dir);
    return error;
}

/* Removes a socket at 'un' that a dead process left behind, which would keep
 * librte_vhost from listening there.  Then tries whether one can be made,
 * since librte_vhost does not say why it fails.  Returns 0 or a positive errno
 * value. */
static int
check_listen(const struct sockaddr_un *un)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0;
    struct stat s;

    if (fd < 0) {
        return errno;
    }

    if (!lstat(un->sun_path, &s)) {
        if (!S_ISSOCK(s.st_mode)) {
            error = EEXIST;
        } else if (!connect(fd, (const struct sockaddr *) un, sizeof *un)
                   || errno == EAGAIN) {
            error = EADDRINUSE;
        } else if (errno != ECONNREFUSED || unlink(un->sun_path)) {
            error = errno;
        }
    }
    if (!error) {
        if (bind(fd, (const struct sockaddr *) un, sizeof *un)) {
            error = errno;
        } else {
            unlink(un->sun_path);
        }
    }
    close(fd);
    return error;
}

/* Checks whether port 'name' can have its socket at 'path': to connect to, or
 * to listen on.  Returns NULL and sets '*errorp' to 0 if so; otherwise returns
 * a sentence for the user, to be freed by the caller, and sets '*errorp' to a
 * positive errno value. */
char *
vhost_socket_check(const char *name, const char *path, bool connect,
                   int *errorp)
{
    struct sockaddr_un un;
    int error;

    error = make_sockaddr(path, &un);
    if (!error) {
        error = check_directory(path);
    }
    if (!error && !connect) {
        error = check_listen(&un);
    }
    *errorp = error;

    switch (error) {
    case 0:
        return NULL;

    case EINVAL:
        return xasprintf("%s: socket path \"%s\" is not absolute", name, path);

    case ENAMETOOLONG:
        return xasprintf("%s: socket path \"%s\" is longer than %"PRIuSIZE
                         " characters", name, path, sizeof un.sun_path - 1);

    case ENOENT:
    case ENOTDIR:
        return xasprintf("%s: the directory of socket path \"%s\" does not "
                         "exist", name, path);

    case EEXIST:
        return xasprintf("%s: \"%s\" exists and is not a socket", name, path);

    case EADDRINUSE:
        return xasprintf("%s: another process listens on socket \"%s\"", name,
                         path);

    default:
        return xasprintf("%s: cannot use socket \"%s\" (%s)", name, path,
                         ovs_strerror(error));
    }
}

/* When there is a connection */

/* Does 'fd' belong to a connection that was made at 'path'?  Its own name is
 * 'path' if we listened there, its peer's if we connected. */
static bool
is_connection(int fd, const char *path)
{
    struct sockaddr_un own, peer;
    socklen_t own_len = sizeof own;
    socklen_t peer_len = sizeof peer;

    memset(&own, 0, sizeof own);
    memset(&peer, 0, sizeof peer);
    return (!getpeername(fd, (struct sockaddr *) &peer, &peer_len)
            && !getsockname(fd, (struct sockaddr *) &own, &own_len)
            && own.sun_family == AF_UNIX
            && (!strncmp(own.sun_path, path, sizeof own.sun_path)
                || !strncmp(peer.sun_path, path, sizeof peer.sun_path)));
}

/* Sets limits for the connections at 'path', so that a front end that sends
 * half a message, or does not read our replies, loses its connection instead
 * of blocking librte_vhost for good.  librte_vhost does not tell which
 * descriptor a connection has: look for it. */
void
vhost_socket_limit(const char *path)
{
    const struct timeval limit = { .tv_usec = LIMIT_US };
    const char own_fds[] = "/proc/self/fd";
    const struct dirent *de;
    DIR *dir;

    dir = opendir(own_fds);
    while (dir && (de = readdir(dir))) {
        int fd = atoi(de->d_name);

        if (is_connection(fd, path)) {
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        }
    }
    if (dir) {
        closedir(dir);
    }
}
