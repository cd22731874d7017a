/*
 * Copyright (c) 2026 The OVS-Accel Authors.
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

/* A scripted guest of a vhost-user port.
 *
 * One process is one guest with one port, with --echo=SOCKET another one that
 * sends back what it receives, and with --silent=N a crowd of others that only
 * exist.  It is started with, say,
 *
 *     vhost-guest run --listen=vm1.sock --unixctl=vm1.ctl --detach --pidfile
 *
 * and told what to do with
 *
 *     vhost-guest ctl vm1.ctl COMMAND [ARG]...
 *
 * (or ovs-appctl -t "$PWD"/vm1.ctl COMMAND [ARG]...), which ends when the
 * command is done: exit status 0 and the answer on stdout, or 2 and an error
 * message on stderr.  "vhost-guest --help" lists options and commands.
 *
 * A test between two guests, for instance:
 *
 *     vhost-guest ctl vm1.ctl wait link=1
 *     vhost-guest ctl vm2.ctl wait link=1
 *     vhost-guest ctl vm1.ctl generate count=1000 size=64 layout=random
 *     vhost-guest ctl vm2.ctl wait 'gen1.good>=1000'
 *     vhost-guest ctl vm2.ctl get rx_corrupt
 *
 * "generate" ends when the switch has given back all transmit buffers.  The
 * guest receives all the time, verifies the frames that other guests
 * generated, and counts what it sees under the --id of their generator.  When
 * the link breaks it takes what was finished, counts the rest as tx_lost, and
 * makes a new link with fresh rings as soon as the switch is back.
 *
 * Random layouts of receive buffers are for our own rings: DPDK's data path,
 * as of 22.11, misplaces frames where the virtio-net header lies across
 * descriptors, and on packed rings loses count at descriptors shorter than
 * that header.
 *
 * Counters, for "get" and "wait" and in "counters": the fields of struct
 * vg_counters, the names of which are explained there, and
 *
 *     link                 1 if the rings run, else 0
 *     handshakes           how often the link came up
 *     failures             handshakes and requests that failed
 *     broken               rings on which the switch broke the rules
 *     tx_inflight          tx_frames - tx_used - tx_lost
 *     kept                 frames kept for "dump", ever
 *     rxqN.frames, txqN.frames, rxqN.calls, txqN.kicks   of queue N
 *     genN.good, genN.duplicate, genN.reordered, genN.moves, genN.next_seq
 *                          of the frames of generator N
 */


#include <config.h>
#include "vhost-guest.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

#include "command-line.h"
#include "daemon.h"
#include "fatal-signal.h"
#include "jsonrpc.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "random.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(vhost_guest);

#define SPINS 300               /* Default of --spins. */
#define CTL_EVERY 64            /* Runs between looks at the control socket, */
#define CTL_SELDOM 4096         /* unless --spins is at least this. */

struct options {
    struct vg_config config;
    struct vg_net_config net_config;
    char *unixctl_path;
    uint8_t id;
    uint32_t seed;
    unsigned int spins;         /* Idle runs before we sleep. */
    char *echo_path;            /* Of a guest that echoes, or NULL. */
    unsigned int n_silent;      /* Guests besides the one under command. */
};

static const char options_help[] =
    "  --listen=SOCKET     wait for the switch at SOCKET\n"
    "  --connect=SOCKET    go to the switch at SOCKET, again and again\n"
    "  --unixctl=CONTROL   socket for commands\n"
    "  --packed            packed rings (default: split)\n"
    "  --no-mergeable      one receive buffer per frame\n"
    "  --no-indirect       no indirect descriptors\n"
    "  --no-event-idx      suppress notifications by flags, not by index\n"
    "  --queue-pairs=N     default: 1\n"
    "  --ring-size=N       16 to 32768, split: a power of 2 (default: 256)\n"
    "  --regions=N         memory regions, 1 to 8 (default: 2)\n"
    "  --region-mb=N       MiB of each, of address space (default: 128)\n"
    "  --rx-size=N         bytes of a receive buffer (default: 2048)\n"
    "  --rx-layout=LAYOUT  of receive buffers (default: single)\n"
    "  --max-frame=N       longest frame to send (default: 9216)\n"
    "  --keep=N            received frames to keep (default: 16)\n"
    "  --shuffle           hand out descriptors in random order\n"
    "  --tx-offloads       negotiate to leave checksums and segmentation of\n"
    "                      frames that we send to the switch (see hdr=HEX)\n"
    "  --rx-csum           negotiate to receive frames without checksum...\n"
    "  --rx-tso            ...and, too, frames to be cut into segments\n"
    "  --id=N              generator number, 0 to 255 (default: 1)\n"
    "  --echo=SOCKET       one more guest, at SOCKET, which echoes: in one\n"
    "                      process neither waits for the other to run\n"
    "  --silent=N          N more guests, 0 to 10000, that never send, at\n"
    "                      SOCKET.1 to SOCKET.N (default: 0)\n"
    "  --spins=N           looks at idle rings before sleeping until the\n"
    "                      switch calls, 0 to 1000000000 (default: 300)\n"
    "  --seed=N            for random layouts (default: any, see status)\n"
    "  --timeout=S         for replies of the switch (default: 10)\n";

static const char commands_help[] =
    "  status              link, features, rings, seed, last errors\n"
    "  counters            all totals, as NAME=VALUE\n"
    "  get COUNTER         one counter's value\n"
    "  wait 'COUNTER OP N' [timeout=S]   OP: = != < <= > >=\n"
    "  rx                  numbered frames received, by generator\n"
    "  dump [N]            the last frames received, in hexadecimal\n"
    "  headers [N]         their virtio-net headers\n"
    "  clear               all counters to 0\n"
    "  send HEX [JOB]      send this frame\n"
    "  play FILE [JOB]     send the frames of this pcap file\n"
    "  generate [JOB] [STREAM]   send numbered frames\n"
    "  ping-pong [PING] [STREAM]   one numbered frame at a time to a guest\n"
    "                      that echoes; answers percentiles, in ns\n"
    "  halt                end the present one of these early\n"
    "  respond IP MAC|off  answer ARP requests and pings\n"
    "  echo on|off         verify all that is received and send it back\n"
    "  bounce on|off       send it back out of the same memory, unverified\n"
    "  record FILE|off     write all that is received to this pcap file\n"
    "  pause-rx, resume-rx give no more receive buffers to the switch\n"
    "  kick                kick all rings, for no reason\n"
    "  queues N            enable the first N queue pairs only\n"
    "  stop                stop all rings, as a guest that pauses\n"
    "  start [reset]       go on, or start with fresh rings\n"
    "  disconnect, reconnect\n"
    "  exit\n"
    "\n"
    "JOB: count=N (send: 1, play: all, generate: 1000; 0: until halt)\n"
    "     timeout=S (30) burst=N (32) rate=N (per second; 0: no limit)\n"
    "     queue=N (by flow) layout=LAYOUT (single) hdr=HEX (virtio-net)\n"
    "PING: count=N (1000) gap=US, silence before each (0) timeout=S (30)\n"
    "LAYOUT: single, chain=N, indirect, indirect=N, random\n"
    "STREAM: size=N (64, without FCS) flows=N (1) vlan=N dst-port=N\n"
    "     src-mac=MAC dst-mac=MAC src-ip=IP dst-ip=IP\n";

static void OVS_NO_RETURN
usage(void)
{
    printf("%s: scripted guest of a vhost-user port\n"
           "usage: %s run (--listen=S | --connect=S) [OPTION]...\n"
           "       %s ctl CONTROL COMMAND [ARG]...\n\nOptions:\n%s",
           program_name, program_name, program_name, options_help);
    daemon_usage();
    vlog_usage();
    printf("\nCommands:\n%s", commands_help);
    exit(EXIT_SUCCESS);
}

/* Returns the number in 'optarg', which is for 'option', or ends the
 * program. */
static unsigned int
number(const char *option, unsigned int min, unsigned int max)
{
    unsigned int value;

    if (!str_to_uint(optarg, 10, &value) || value < min || value > max) {
        ovs_fatal(0, "--%s=%s: not a number from %u to %u", option, optarg,
                  min, max);
    }
    return value;
}

enum {
    OPT_LISTEN = UCHAR_MAX + 1,
    OPT_CONNECT,
    OPT_UNIXCTL,
    OPT_PACKED,
    OPT_NO_MERGEABLE,
    OPT_NO_INDIRECT,
    OPT_NO_EVENT_IDX,
    OPT_QUEUE_PAIRS,
    OPT_RING_SIZE,
    OPT_REGIONS,
    OPT_REGION_MB,
    OPT_RX_SIZE,
    OPT_RX_LAYOUT,
    OPT_MAX_FRAME,
    OPT_KEEP,
    OPT_SHUFFLE,
    OPT_TX_OFFLOADS,
    OPT_RX_CSUM,
    OPT_RX_TSO,
    OPT_ID,
    OPT_SEED,
    OPT_ECHO,
    OPT_SILENT,
    OPT_SPINS,
    OPT_TIMEOUT,
    VLOG_OPTION_ENUMS,
    DAEMON_OPTION_ENUMS
};

static const struct option long_options[] = {
    { "listen", required_argument, NULL, OPT_LISTEN },
    { "connect", required_argument, NULL, OPT_CONNECT },
    { "unixctl", required_argument, NULL, OPT_UNIXCTL },
    { "packed", no_argument, NULL, OPT_PACKED },
    { "no-mergeable", no_argument, NULL, OPT_NO_MERGEABLE },
    { "no-indirect", no_argument, NULL, OPT_NO_INDIRECT },
    { "no-event-idx", no_argument, NULL, OPT_NO_EVENT_IDX },
    { "queue-pairs", required_argument, NULL, OPT_QUEUE_PAIRS },
    { "ring-size", required_argument, NULL, OPT_RING_SIZE },
    { "regions", required_argument, NULL, OPT_REGIONS },
    { "region-mb", required_argument, NULL, OPT_REGION_MB },
    { "rx-size", required_argument, NULL, OPT_RX_SIZE },
    { "rx-layout", required_argument, NULL, OPT_RX_LAYOUT },
    { "max-frame", required_argument, NULL, OPT_MAX_FRAME },
    { "keep", required_argument, NULL, OPT_KEEP },
    { "shuffle", no_argument, NULL, OPT_SHUFFLE },
    { "tx-offloads", no_argument, NULL, OPT_TX_OFFLOADS },
    { "rx-csum", no_argument, NULL, OPT_RX_CSUM },
    { "rx-tso", no_argument, NULL, OPT_RX_TSO },
    { "id", required_argument, NULL, OPT_ID },
    { "seed", required_argument, NULL, OPT_SEED },
    { "echo", required_argument, NULL, OPT_ECHO },
    { "silent", required_argument, NULL, OPT_SILENT },
    { "spins", required_argument, NULL, OPT_SPINS },
    { "timeout", required_argument, NULL, OPT_TIMEOUT },
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'V' },
    VLOG_LONG_OPTIONS,
    DAEMON_LONG_OPTIONS,
    { NULL, 0, NULL, 0 },
};

static void
set_socket(struct vg_config *c, bool listen)
{
    if (c->path) {
        ovs_fatal(0, "--listen and --connect, or one of them twice");
    }
    c->path = abs_file_name(NULL, optarg);
    c->listen = listen;
}

static void
set_rx_layout(struct vg_layout *layout)
{
    char *error = vg_layout_parse(optarg, layout);

    if (error) {
        ovs_fatal(0, "--rx-layout: %s", error);
    }
}

#define CSUM_FEATURE (UINT64_C(1) << VIRTIO_NET_F_GUEST_CSUM)

/* Returns the features that an option about offloads asks for. */
static uint64_t
offload_features(int opt)
{
    switch (opt) {
    case OPT_TX_OFFLOADS:
        return (UINT64_C(1) << VIRTIO_NET_F_CSUM
                | UINT64_C(1) << VIRTIO_NET_F_HOST_TSO4
                | UINT64_C(1) << VIRTIO_NET_F_HOST_TSO6
                | UINT64_C(1) << VIRTIO_NET_F_HOST_ECN);

    case OPT_RX_TSO:
        return (CSUM_FEATURE
                | UINT64_C(1) << VIRTIO_NET_F_GUEST_TSO4
                | UINT64_C(1) << VIRTIO_NET_F_GUEST_TSO6
                | UINT64_C(1) << VIRTIO_NET_F_GUEST_ECN);

    default:
        return CSUM_FEATURE;
    }
}

/* Takes an option that is about the device.  Returns false if 'opt' is none
 * of those. */
static bool
parse_device_option(int opt, struct options *o)
{
    struct vg_config *c = &o->config;

    switch (opt) {
    case OPT_LISTEN:
    case OPT_CONNECT:
        set_socket(c, opt == OPT_LISTEN);
        return true;

    case OPT_PACKED:
        c->packed = true;
        return true;

    case OPT_NO_MERGEABLE:
        c->mergeable = false;
        return true;

    case OPT_NO_INDIRECT:
        c->indirect = false;
        return true;

    case OPT_NO_EVENT_IDX:
        c->event_idx = false;
        return true;

    case OPT_TX_OFFLOADS:
    case OPT_RX_CSUM:
    case OPT_RX_TSO:
        c->offloads |= offload_features(opt);
        return true;

    case OPT_QUEUE_PAIRS:
        c->n_pairs = number("queue-pairs", 1, VG_MAX_PAIRS);
        return true;

    case OPT_RING_SIZE:
        c->ring_size = number("ring-size", 16, VG_MAX_RING);
        return true;

    case OPT_REGIONS:
        c->n_regions = number("regions", 1, VG_MAX_REGIONS);
        return true;

    case OPT_REGION_MB:
        c->region_size = (size_t) number("region-mb", 1, 4095) << 20;
        return true;

    case OPT_SHUFFLE:
        c->shuffle = true;
        return true;

    case OPT_TIMEOUT:
        c->timeout_ms = 1000LL * number("timeout", 1, 3600);
        return true;

    default:
        return false;
    }
}

/* Takes any other option.  Returns false if 'opt' is unknown. */
static bool
parse_option(int opt, struct options *o)
{
    switch (opt) {
    case OPT_UNIXCTL:
        o->unixctl_path = abs_file_name(NULL, optarg);
        return true;

    case OPT_RX_SIZE:
        o->net_config.rx_size = number("rx-size", VG_HDR_LEN, VG_MAX_FRAME);
        return true;

    case OPT_RX_LAYOUT:
        set_rx_layout(&o->net_config.rx_layout);
        return true;

    case OPT_MAX_FRAME:
        o->net_config.max_frame = number("max-frame", 64, VG_MAX_FRAME);
        return true;

    case OPT_KEEP:
        o->net_config.n_kept = number("keep", 0, 65536);
        return true;

    case OPT_ID:
        o->id = number("id", 0, UINT8_MAX);
        return true;

    case OPT_SEED:
        o->seed = number("seed", 1, INT_MAX);
        return true;

    case OPT_ECHO:
        o->echo_path = abs_file_name(NULL, optarg);
        return true;

    case OPT_SILENT:
        o->n_silent = number("silent", 0, 10000);
        return true;

    case OPT_SPINS:
        o->spins = number("spins", 0, 1000000000);
        return true;

    VLOG_OPTION_HANDLERS
    DAEMON_OPTION_HANDLERS

    case 'h':
        usage();

    case 'V':
        ovs_print_version(0, 0);
        exit(EXIT_SUCCESS);

    default:
        return false;
    }
    return true;
}

static void
parse_options(int argc, char *argv[], struct options *o)
{
    char *short_options = ovs_cmdl_long_options_to_short_options(long_options);
    int opt;

    *o = (struct options) {
        .config = {
            .mergeable = true,
            .indirect = true,
            .event_idx = true,
            .n_pairs = 1,
            .ring_size = 256,
            .n_regions = 2,
            .region_size = 128 << 20,
            .timeout_ms = 10000,
        },
        .net_config = {
            .max_frame = 9216,
            .rx_size = 2048,
            .n_kept = 16,
        },
        .id = 1,
        .spins = SPINS,
    };
    random_init();
    while (!o->seed) {
        o->seed = random_uint32() & INT_MAX;
    }
    while ((opt = getopt_long(argc, argv, short_options, long_options,
                              NULL)) != -1) {
        if (!parse_device_option(opt, o) && !parse_option(opt, o)) {
            exit(EXIT_FAILURE);
        }
    }
    free(short_options);
}

/* Runs command 'argv[0]' in the guest whose control socket is 'name'. */
static int
ctl(const char *name, int argc, char *argv[])
{
    char *path = abs_file_name(NULL, name);
    char *result = NULL, *problem = NULL;
    struct jsonrpc *client;
    int error;

    vlog_set_levels(NULL, VLF_CONSOLE, VLL_OFF);
    error = unixctl_client_create(path, &client);
    if (error) {
        ovs_fatal(error, "cannot connect to \"%s\"", path);
    }
    error = unixctl_client_transact(client, argv[0], argc - 1, argv + 1,
                                    &result, &problem);
    jsonrpc_close(client);
    if (error) {
        ovs_fatal(error, "%s: no answer", path);
    }
    if (result && *result) {
        printf("%s%s", result, result[strlen(result) - 1] == '\n' ? "" : "\n");
    }
    if (problem) {
        fprintf(stderr, "%s%s", problem,
                *problem && problem[strlen(problem) - 1] == '\n' ? "" : "\n");
    }
    free(path);
    free(result);
    error = problem ? 2 : EXIT_SUCCESS;
    free(problem);
    return error;
}

static void
check_options(const struct options *o)
{
    const struct vg_layout *rx_layout = &o->net_config.rx_layout;

    if (!o->config.path) {
        ovs_fatal(0, "give --listen or --connect (see --help)");
    }
    if (!o->config.packed && !IS_POW2(o->config.ring_size)) {
        ovs_fatal(0, "--ring-size=%"PRIu16": not a power of 2",
                  o->config.ring_size);
    }
    if (rx_layout->kind == VG_CHAIN && rx_layout->n > o->config.ring_size) {
        ovs_fatal(0, "--rx-layout=chain=%u: longer than the ring",
                  rx_layout->n);
    }
}

/* Opens the guest that echoes: it is like the other one. */
static int
open_echo(struct vg_guest *guest, const struct options *o, char **error)
{
    struct vg_config config = o->config;
    int retval;

    if (!o->echo_path) {
        return 0;
    }
    config.path = o->echo_path;
    guest->echo = xmalloc(sizeof *guest->echo);
    retval = vg_net_open(guest->echo, &config, &o->net_config, error);
    guest->echo->echo = true;
    return retval;
}

static void
close_echo(struct vg_guest *guest)
{
    if (guest->echo) {
        vg_net_close(guest->echo);
        free(guest->echo);
    }
}

/* Returns true if there was something to do. */
static bool
run_nets(struct vg_guest *guest)
{
    bool busy = vg_net_run(&guest->net);

    return (guest->echo && vg_net_run(guest->echo)) || busy;
}

/* Polls while there is something to do and for a little longer, then
 * sleeps. */
static void
guest_loop(struct vg_guest *guest, struct unixctl_server *server,
           unsigned int spins)
{
    unsigned int ctl_every = spins < CTL_SELDOM ? CTL_EVERY : CTL_SELDOM;
    unsigned int n_idle = 0;
    unsigned int n_runs = 0;

    for (;;) {
        bool sleepy = n_idle > spins;
        bool look = sleepy || !(n_runs++ % ctl_every);

        if (look) {
            unixctl_server_run(server);
            vg_silent_run(&guest->silent);
        }
        n_idle = run_nets(guest) ? 0 : n_idle + 1;
        vg_cmd_run(guest);
        if (guest->exiting) {
            return;
        }
        if (look) {
            unixctl_server_wait(server);
            if (sleepy && n_idle) {
                vg_net_wait(&guest->net);
                if (guest->echo) {
                    vg_net_wait(guest->echo);
                }
                vg_silent_wait(&guest->silent);
                vg_cmd_wait(guest);
            } else {
                poll_immediate_wake();
            }
            poll_block();
        }
    }
}

static int
run(const struct options *o)
{
    struct vg_guest guest = { .id = o->id, .seed = o->seed };
    struct unixctl_server *server;
    char *error;

    check_options(o);
    daemonize_start(false);
    random_set_seed(o->seed);
    if (vg_net_open(&guest.net, &o->config, &o->net_config, &error)
        || open_echo(&guest, o, &error)
        || vg_silent_open(&guest.silent, &o->config, o->n_silent, &error)) {
        ovs_fatal(0, "%s", error);
    }
    vg_cmd_init(&guest);
    if (unixctl_server_create(o->unixctl_path, &server)) {
        exit(EXIT_FAILURE);
    }
    VLOG_INFO("seed %"PRIu32, o->seed);
    daemonize_complete();

    guest_loop(&guest, server, o->spins);

    unixctl_server_destroy(server);
    vg_silent_close(&guest.silent);
    close_echo(&guest);
    vg_net_close(&guest.net);
    free(o->echo_path);
    free(o->config.path);
    free(o->unixctl_path);
    return EXIT_SUCCESS;
}

int
main(int argc, char *argv[])
{
    struct options o;
    int n;

    ovs_cmdl_proctitle_init(argc, argv);
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_WARN);

    /* What follows "ctl" is not for us to parse. */
    if (argc >= 4 && !strcmp(argv[1], "ctl")) {
        return ctl(argv[2], argc - 3, argv + 3);
    }
    parse_options(argc, argv, &o);
    n = argc - optind;
    if (n != 1 || strcmp(argv[optind], "run")) {
        ovs_fatal(0, "give run or ctl (see --help)");
    }
    return run(&o);
}
