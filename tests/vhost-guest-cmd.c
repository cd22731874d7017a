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

#include <config.h>
#include "vhost-guest.h"

#include <errno.h>
#include <inttypes.h>

#include "dp-packet.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "pcap-file.h"
#include "smap.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

/* Commands that do something. */

#define TIMEOUT_S 30            /* Default patience of commands. */

/* Arguments of commands. */

static void OVS_PRINTF_FORMAT(2, 3)
reply_error(struct unixctl_conn *conn, const char *format, ...)
{
    va_list args;
    char *s;

    va_start(args, format);
    s = xvasprintf(format, args);
    va_end(args);
    unixctl_command_reply_error(conn, s);
    free(s);
}

/* Parses the 'n' arguments KEY=VALUE in 'args' into 'map'.  Each KEY must be
 * one of the words in 'known'. */
static bool
parse_args(struct unixctl_conn *conn, const char *known, int n,
           const char *args[], struct smap *map)
{
    smap_init(map);
    for (int i = 0; i < n; i++) {
        size_t key_len = strcspn(args[i], "=");
        char *key = xmemdup0(args[i], key_len);
        char *word = xasprintf(" %s ", key);
        bool ok = args[i][key_len] == '=' && strstr(known, word);

        if (ok) {
            smap_replace(map, key, args[i] + key_len + 1);
        } else {
            reply_error(conn, "%s: not KEY=VALUE with a KEY of%s", args[i],
                        known);
        }
        free(key);
        free(word);
        if (!ok) {
            smap_destroy(map);
            return false;
        }
    }
    return true;
}

/* Returns the number under 'key' in 'args', or 'def' if there is none.  If it
 * is not from 'min' to 'max', stores a message, which the caller must free, in
 * '*error' unless there is one. */
static long long int
arg_number(const struct smap *args, const char *key, long long int def,
           long long int min, long long int max, char **error)
{
    const char *s = smap_get(args, key);
    long long int value = def;

    if (s && (!str_to_llong(s, 10, &value) || value < min || value > max)) {
        if (!*error) {
            *error = xasprintf("%s=%s is not from %lld to %lld", key, s, min,
                               max);
        }
        return def;
    }
    return value;
}

/* Returns when the patience that 'args' ask for will be over. */
static long long int
arg_deadline(const struct smap *args, char **error)
{
    return time_msec() + 1000 * arg_number(args, "timeout", TIMEOUT_S, 0,
                                           86400, error);
}

/* Parses pairs of hexadecimal digits.  Returns bytes that the caller must
 * free, or NULL. */
static uint8_t *
parse_hex(const char *s, size_t *len)
{
    size_t n_digits = strlen(s);
    uint8_t *bytes = xmalloc(n_digits / 2 + 1);

    *len = n_digits / 2;
    for (size_t i = 0; i < *len; i++) {
        bool ok;

        bytes[i] = hexits_value(s + 2 * i, 2, &ok);
        if (!ok) {
            n_digits = 1;
            break;
        }
    }
    if (n_digits % 2) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

/* Waiting. */

static bool
condition_parse(const char *s, const struct vg_net *net,
                struct vg_condition *c)
{
    uint64_t value;
    int n = 0;

    return (ovs_scan(s, "%31[a-z0-9_.]%2[<>=!]%"SCNu64"%n", c->name, c->op,
                     &c->value, &n)
            && !s[n]
            && vg_show_counter(net, c->name, &value)
            && strstr("|=|==|>=|<=|!=|>|<|", c->op));
}

static bool
condition_holds(const struct vg_condition *c, uint64_t value)
{
    switch (c->op[0]) {
    case '>': return c->op[1] ? value >= c->value : value > c->value;
    case '<': return c->op[1] ? value <= c->value : value < c->value;
    case '!': return value != c->value;
    default: return value == c->value;
    }
}

static void
guest_run_wait(struct vg_guest *guest)
{
    struct unixctl_conn *conn = guest->wait_conn;
    const struct vg_condition *c = &guest->condition;
    uint64_t value = 0;

    vg_show_counter(&guest->net, c->name, &value);
    if (condition_holds(c, value)) {
        char s[64];

        snprintf(s, sizeof s, "%s=%"PRIu64"\n", c->name, value);
        unixctl_command_reply(conn, s);
    } else if (time_msec() >= guest->wait_deadline) {
        reply_error(conn, "timeout: %s=%"PRIu64, c->name, value);
    } else {
        return;
    }
    guest->wait_conn = NULL;
}

static void
cmd_wait(struct unixctl_conn *conn, int argc, const char *argv[],
         void *guest_)
{
    struct vg_guest *guest = guest_;
    struct vg_condition condition;
    char *error = NULL;
    struct smap args;

    if (guest->wait_conn) {
        unixctl_command_reply_error(conn, "another command waits already");
        return;
    } else if (!condition_parse(argv[1], &guest->net, &condition)) {
        unixctl_command_reply_error(conn, "not COUNTER OP NUMBER");
        return;
    } else if (!parse_args(conn, " timeout ", argc - 2, argv + 2, &args)) {
        return;
    }

    guest->wait_deadline = arg_deadline(&args, &error);
    if (error) {
        unixctl_command_reply_error(conn, error);
        free(error);
    } else {
        guest->wait_conn = conn;
        guest->condition = condition;
    }
    smap_destroy(&args);
}

/* Jobs. */

static void
job_free(struct vg_job *job)
{
    if (job) {
        for (size_t i = 0; i < job->n_frames; i++) {
            free(job->frames[i].data);
        }
        free(job->frames);
        free(job);
    }
}

/* Ends the job and answers whoever waits for it. */
static void
guest_end_job(struct vg_guest *guest, const char *error)
{
    struct vg_job *job = vg_net_end_job(&guest->net);
    const struct vg_counters *c = &guest->net.counters;
    char *s = xasprintf("sent=%"PRIu64" inflight=%"PRIu64" lost=%"PRIu64,
                        job->sent, vg_net_tx_inflight(&guest->net),
                        c->tx_lost - job->lost_before);

    if (error) {
        reply_error(guest->job_conn, "%s: %s", error, s);
    } else {
        unixctl_command_reply(guest->job_conn, s);
    }
    guest->job_conn = NULL;
    free(s);
    job_free(job);
}

static void
guest_run_job(struct vg_guest *guest)
{
    if (vg_net_job_is_done(&guest->net)) {
        guest_end_job(guest, NULL);
    } else if (time_msec() >= guest->job_deadline) {
        guest_end_job(guest, "timeout");
    }
}

static char *
job_parse_hdr(const char *s, struct vg_job *job)
{
    size_t len;
    uint8_t *bytes = parse_hex(s, &len);
    bool ok = bytes && len == sizeof job->hdr;

    if (ok) {
        memcpy(&job->hdr, bytes, len);
    }
    free(bytes);
    return ok ? NULL : xasprintf("hdr=%s is not %"PRIuSIZE" bytes in "
                                 "hexadecimal", s, VG_HDR_LEN);
}

/* Fills in what all jobs have.  Returns NULL, or an error message that the
 * caller must free. */
static char *
job_parse(const struct vg_guest *guest, const struct smap *args,
          uint64_t count, struct vg_job *job)
{
    const struct vg_config *config = &guest->net.dev.config;
    const char *layout = smap_get_def(args, "layout", "single");
    const char *hdr = smap_get(args, "hdr");
    char *error = NULL;

    job->count = arg_number(args, "count", count, 0, INT64_MAX, &error);
    if (!job->count) {
        job->count = UINT64_MAX;
    }
    job->rate = arg_number(args, "rate", 0, 0, 100000000, &error);
    job->burst = arg_number(args, "burst", 32, 1, VG_MAX_RING, &error);
    job->queue = arg_number(args, "queue", -1, 0, config->n_pairs - 1,
                            &error);
    if (!error) {
        error = vg_layout_parse(layout, &job->layout);
    }
    if (!error && job->layout.kind == VG_CHAIN
        && job->layout.n > config->ring_size) {
        error = xasprintf("layout %s does not fit a ring of %"PRIu16, layout,
                          config->ring_size);
    }
    if (!error && hdr) {
        error = job_parse_hdr(hdr, job);
    }
    return error;
}

/* Fills in the frame that is given as 'hex'.  Returns like job_parse(). */
static char *
job_parse_raw(const struct vg_guest *guest, const char *hex,
              struct vg_job *job)
{
    size_t max = guest->net.config.max_frame;
    struct vg_frame frame;

    frame.data = parse_hex(hex, &frame.len);
    if (!frame.data || frame.len > max) {
        free(frame.data);
        return xasprintf("the frame is not at most %"PRIuSIZE" bytes in "
                         "hexadecimal", max);
    }
    job->frames = xmemdup(&frame, sizeof frame);
    job->n_frames = 1;
    return NULL;
}

/* Fills in the frames of pcap file 'file_name'.  Returns like job_parse(). */
static char *
job_parse_file(const struct vg_guest *guest, const char *file_name,
               struct vg_job *job)
{
    struct pcap_file *file = ovs_pcap_open(file_name, "rb");
    size_t allocated = 0, longest = 0;
    struct dp_packet *packet;
    int error;

    if (!file) {
        return xasprintf("%s: cannot open (%s)", file_name,
                         ovs_strerror(errno));
    }
    while (!(error = ovs_pcap_read(file, &packet, NULL))) {
        struct vg_frame *f;

        if (job->n_frames == allocated) {
            job->frames = x2nrealloc(job->frames, &allocated,
                                     sizeof *job->frames);
        }
        f = &job->frames[job->n_frames++];
        f->len = dp_packet_size(packet);
        f->data = xmemdup(dp_packet_data(packet), f->len);
        longest = MAX(longest, f->len);
        dp_packet_delete(packet);
    }
    ovs_pcap_close(file);
    return (error == EOF && job->n_frames
            && longest <= guest->net.config.max_frame ? NULL
            : xasprintf("%s is not a pcap file of frames of at most "
                        "%"PRIuSIZE" bytes", file_name,
                        guest->net.config.max_frame));
}

static char *
parse_addresses(const struct smap *args, struct vg_stream *stream)
{
    const char *src_mac = smap_get_def(args, "src-mac", "02:00:00:00:00:01");
    const char *dst_mac = smap_get_def(args, "dst-mac", "02:00:00:00:00:02");

    if (!eth_addr_from_string(src_mac, &stream->src_mac)
        || !eth_addr_from_string(dst_mac, &stream->dst_mac)) {
        return xstrdup("src-mac or dst-mac is no Ethernet address");
    } else if (!ip_parse(smap_get_def(args, "src-ip", "10.1.0.1"),
                         &stream->src_ip)
               || !ip_parse(smap_get_def(args, "dst-ip", "10.2.0.1"),
                            &stream->dst_ip)) {
        return xstrdup("src-ip or dst-ip is no IPv4 address");
    }
    return NULL;
}

/* Fills in what the frames of a generating job look like.  Returns like
 * job_parse(). */
static char *
job_parse_stream(const struct vg_guest *guest, const struct smap *args,
                 struct vg_job *job)
{
    struct vg_stream *stream = &job->stream;
    char *error = parse_addresses(args, stream);

    stream->generator = guest->id;
    stream->vlan = arg_number(args, "vlan", -1, 0, 4095, &error);
    stream->size = arg_number(args, "size", 64, vg_stream_min_size(stream),
                              guest->net.config.max_frame, &error);
    stream->n_flows = arg_number(args, "flows", 1, 1, VG_MAX_FLOWS, &error);
    stream->dst_port = arg_number(args, "dst-port", 5000, 0, 65535, &error);
    return error;
}

/* Starts job 'command' for 'conn': "send" the frame 'what', "play" the file
 * 'what', or "generate" numbered frames. */
static void
job_start(struct unixctl_conn *conn, struct vg_guest *guest,
          const struct smap *args, const char *command, const char *what)
{
    struct vg_job *job = xzalloc(sizeof *job);
    char *error = (*command == 's' ? job_parse_raw(guest, what, job)
                   : *command == 'p' ? job_parse_file(guest, what, job)
                   : job_parse_stream(guest, args, job));

    if (!error) {
        error = job_parse(guest, args, job->n_frames ? job->n_frames : 1000,
                          job);
    }
    guest->job_deadline = arg_deadline(args, &error);
    if (error) {
        unixctl_command_reply_error(conn, error);
        free(error);
        job_free(job);
    } else {
        guest->job_conn = conn;
        vg_net_start_job(&guest->net, job);
    }
}

#define JOB_ARGS " count queue layout hdr timeout burst rate "
#define STREAM_ARGS "size flows src-mac dst-mac src-ip dst-ip dst-port vlan "

static void
cmd_job(struct unixctl_conn *conn, int argc, const char *argv[],
        void *guest_)
{
    struct vg_guest *guest = guest_;
    bool generate = !strcmp(argv[0], "generate");
    int skip = generate ? 1 : 2;
    struct smap args;

    if (guest->net.job || guest->net.ping) {
        unixctl_command_reply_error(conn, "busy with another job");
    } else if (parse_args(conn, generate ? JOB_ARGS STREAM_ARGS : JOB_ARGS,
                          argc - skip, argv + skip, &args)) {
        job_start(conn, guest, &args, argv[0], generate ? NULL : argv[1]);
        smap_destroy(&args);
    }
}

/* Round trips. */

static void
ping_free(struct vg_ping *ping)
{
    if (ping) {
        free(ping->times);
        free(ping);
    }
}

static void
guest_run_ping(struct vg_guest *guest)
{
    struct vg_ping *ping = guest->net.ping;
    bool done = vg_ping_is_done(ping);

    if (done || time_msec() >= guest->job_deadline) {
        char *s = vg_ping_report(ping);

        if (done) {
            unixctl_command_reply(guest->job_conn, s);
        } else {
            reply_error(guest->job_conn, "timeout: %s", s);
        }
        free(s);
        guest->job_conn = NULL;
        guest->net.ping = NULL;
        ping_free(ping);
    }
}

static void
cmd_ping(struct unixctl_conn *conn, int argc, const char *argv[],
         void *guest_)
{
    struct vg_guest *guest = guest_;
    struct vg_job stream_of = { .n_frames = 0 };
    struct vg_ping *ping;
    struct smap args;
    char *error;

    if (guest->net.job || guest->net.ping) {
        unixctl_command_reply_error(conn, "busy with another job");
        return;
    } else if (!parse_args(conn, " count gap timeout " STREAM_ARGS, argc - 1,
                           argv + 1, &args)) {
        return;
    }

    ping = xzalloc(sizeof *ping);
    error = job_parse_stream(guest, &args, &stream_of);
    ping->stream = stream_of.stream;
    ping->count = arg_number(&args, "count", 1000, 1, 10000000, &error);
    ping->gap = 1000 * arg_number(&args, "gap", 0, 0, 60000000, &error);
    guest->job_deadline = arg_deadline(&args, &error);
    smap_destroy(&args);
    if (error) {
        unixctl_command_reply_error(conn, error);
        free(error);
        ping_free(ping);
        return;
    }
    ping->times = xcalloc(ping->count, sizeof *ping->times);
    guest->job_conn = conn;
    guest->net.ping = ping;
}

static void
cmd_halt(struct unixctl_conn *conn, int argc OVS_UNUSED,
         const char *argv[] OVS_UNUSED, void *guest_)
{
    struct vg_guest *guest = guest_;

    if (guest->net.job) {
        /* It is done when the switch has given its buffers back. */
        guest->net.job->count = guest->net.job->sent;
    }
    unixctl_command_reply(conn, NULL);
}

/* Behaviour. */

static void
cmd_respond(struct unixctl_conn *conn, int argc, const char *argv[],
            void *guest_)
{
    struct vg_guest *guest = guest_;
    struct vg_responder r = { .ip = 0 };
    bool off = argc == 2 && !strcmp(argv[1], "off");

    if (!off && (argc != 3 || !ip_parse(argv[1], &r.ip)
                 || !eth_addr_from_string(argv[2], &r.mac))) {
        unixctl_command_reply_error(conn, "neither IP MAC nor off");
    } else {
        guest->net.respond = !off;
        guest->net.responder = r;
        unixctl_command_reply(conn, NULL);
    }
}

static void
cmd_echo(struct unixctl_conn *conn, int argc OVS_UNUSED, const char *argv[],
         void *guest_)
{
    struct vg_guest *guest = guest_;
    bool on = !strcmp(argv[1], "on");

    if (!on && strcmp(argv[1], "off")) {
        unixctl_command_reply_error(conn, "neither on nor off");
        return;
    }
    if (!strcmp(argv[0], "echo")) {
        guest->net.echo = on;
    } else if (guest->net.config.rx_layout.kind == VG_SINGLE) {
        vg_bounce_set(&guest->net, on);
    } else {
        unixctl_command_reply_error(conn, "needs --rx-layout=single");
        return;
    }
    unixctl_command_reply(conn, NULL);
}

static void
cmd_hold_rx(struct unixctl_conn *conn, int argc OVS_UNUSED,
            const char *argv[], void *guest_)
{
    struct vg_guest *guest = guest_;

    vg_net_hold_rx(&guest->net, !strcmp(argv[0], "pause-rx"));
    unixctl_command_reply(conn, NULL);
}

static void
cmd_record(struct unixctl_conn *conn, int argc OVS_UNUSED,
           const char *argv[], void *guest_)
{
    struct vg_guest *guest = guest_;
    bool off = !strcmp(argv[1], "off");
    int error = vg_net_record(&guest->net, off ? NULL : argv[1]);

    if (error) {
        reply_error(conn, "%s: cannot write (%s)", argv[1],
                    ovs_strerror(error));
    } else {
        unixctl_command_reply(conn, NULL);
    }
}

static void
cmd_clear(struct unixctl_conn *conn, int argc OVS_UNUSED,
          const char *argv[] OVS_UNUSED, void *guest_)
{
    struct vg_guest *guest = guest_;

    vg_net_clear(&guest->net);
    unixctl_command_reply(conn, NULL);
}

/* Link. */

static void
cmd_kick(struct unixctl_conn *conn, int argc OVS_UNUSED,
         const char *argv[] OVS_UNUSED, void *guest_)
{
    struct vg_guest *guest = guest_;

    for (unsigned int i = 0; i < 2 * guest->net.dev.n_pairs; i++) {
        vg_ring_kick(&guest->net.dev.rings[i]);
    }
    unixctl_command_reply(conn, NULL);
}

static void
cmd_queues(struct unixctl_conn *conn, int argc OVS_UNUSED,
           const char *argv[], void *guest_)
{
    struct vg_guest *guest = guest_;
    unsigned int n;
    int error = EINVAL;

    if (str_to_uint(argv[1], 10, &n)) {
        error = vg_dev_enable_pairs(&guest->net.dev, n);
    }
    if (error) {
        reply_error(conn, "cannot use %s queue pairs (%s)", argv[1],
                    ovs_strerror(error));
    } else {
        unixctl_command_reply(conn, NULL);
    }
}

/* Stops the rings and tells how many entries of each the switch has taken but
 * not given back: none, if it has finished its work as it should. */
static void
cmd_stop(struct unixctl_conn *conn, int argc OVS_UNUSED,
         const char *argv[] OVS_UNUSED, void *guest_)
{
    struct vg_guest *guest = guest_;
    struct vg_net *net = &guest->net;
    struct ds ds = DS_EMPTY_INITIALIZER;

    if (net->link != VG_UP) {
        unixctl_command_reply_error(conn, "the link is not up");
        return;
    } else if (vg_net_stop(net)) {
        unixctl_command_reply_error(conn, net->dev.error);
        return;
    }
    for (unsigned int i = 0; i < 2 * net->dev.n_pairs; i++) {
        uint32_t base = net->dev.bases[i];

        ds_put_format(&ds, "%s %u: base %#"PRIx32", unfinished %d\n",
                      i % 2 ? "txq" : "rxq", i / 2, base,
                      vg_ring_ahead(&net->dev.rings[i], base));
    }
    unixctl_command_reply(conn, ds_cstr(&ds));
    ds_destroy(&ds);
}

static void
cmd_start(struct unixctl_conn *conn, int argc, const char *argv[],
          void *guest_)
{
    struct vg_guest *guest = guest_;
    struct vg_net *net = &guest->net;

    if (net->link != VG_STOPPED) {
        unixctl_command_reply_error(conn, "the link is not stopped");
    } else if (argc > 1 && strcmp(argv[1], "reset")) {
        unixctl_command_reply_error(conn, "neither reset nor nothing");
    } else if (vg_net_start(net, argc > 1)) {
        unixctl_command_reply_error(conn, net->dev.error);
    } else {
        unixctl_command_reply(conn, NULL);
    }
}

static void
cmd_connect(struct unixctl_conn *conn, int argc OVS_UNUSED,
            const char *argv[], void *guest_)
{
    struct vg_guest *guest = guest_;

    vg_dev_allow(&guest->net.dev, !strcmp(argv[0], "reconnect"));
    unixctl_command_reply(conn, NULL);
}

static void
cmd_exit(struct unixctl_conn *conn, int argc OVS_UNUSED,
         const char *argv[] OVS_UNUSED, void *guest_)
{
    struct vg_guest *guest = guest_;

    guest->exiting = true;
    unixctl_command_reply(conn, NULL);
}

/* Registers all commands. */
void
vg_cmd_init(struct vg_guest *guest)
{
    static const struct {
        const char *name, *usage;
        int min_args, max_args;
        unixctl_cb_func *cb;
    } commands[] = {
        { "wait", "COUNTER OP NUMBER [timeout=S]", 1, 2, cmd_wait },
        { "send", "HEX [KEY=VALUE]...", 1, INT_MAX, cmd_job },
        { "play", "FILE [KEY=VALUE]...", 1, INT_MAX, cmd_job },
        { "generate", "[KEY=VALUE]...", 0, INT_MAX, cmd_job },
        { "ping-pong", "[KEY=VALUE]...", 0, INT_MAX, cmd_ping },
        { "halt", "", 0, 0, cmd_halt },
        { "respond", "IP MAC | off", 1, 2, cmd_respond },
        { "echo", "on|off", 1, 1, cmd_echo },
        { "bounce", "on|off", 1, 1, cmd_echo },
        { "pause-rx", "", 0, 0, cmd_hold_rx },
        { "resume-rx", "", 0, 0, cmd_hold_rx },
        { "record", "FILE|off", 1, 1, cmd_record },
        { "clear", "", 0, 0, cmd_clear },
        { "kick", "", 0, 0, cmd_kick },
        { "queues", "N", 1, 1, cmd_queues },
        { "stop", "", 0, 0, cmd_stop },
        { "start", "[reset]", 0, 1, cmd_start },
        { "disconnect", "", 0, 0, cmd_connect },
        { "reconnect", "", 0, 0, cmd_connect },
        { "exit", "", 0, 0, cmd_exit },
    };

    vg_show_init(guest);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        unixctl_command_register(commands[i].name, commands[i].usage,
                                 commands[i].min_args, commands[i].max_args,
                                 commands[i].cb, guest);
    }
}

/* Answers the commands that are done by now. */
void
vg_cmd_run(struct vg_guest *guest)
{
    if (guest->net.job) {
        guest_run_job(guest);
    }
    if (guest->net.ping) {
        guest_run_ping(guest);
    }
    if (guest->wait_conn) {
        guest_run_wait(guest);
    }
}

/* Wakes poll_block() up when the patience of a command is over. */
void
vg_cmd_wait(const struct vg_guest *guest)
{
    if (guest->net.job || guest->net.ping) {
        poll_timer_wait_until(guest->job_deadline);
    }
    if (guest->wait_conn) {
        poll_timer_wait_until(guest->wait_deadline);
    }
}
