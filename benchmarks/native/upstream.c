// A provider made of nothing but speed: Anthropic Messages (JSON and server-sent events) and Amazon Bedrock Converse
// (JSON and event stream) on one thread with epoll, on a plain and on a TLS port of loopback.
//
//   upstream [CERTIFICATE KEY]      prints {"plain":PORT,"tls":PORT}, then serves until it is killed
//
//   GET /control?events=100&pace=10000&hold=0&crc=89abcdef&mark=WORD
//        events   text deltas in a streamed answer
//        pace     microseconds between two deltas, 0 for as fast as they can be written; the first is up to as much later
//                 than the head, see first_due. One value at a time: change it only between two measurements
//        hold     1: a stream stops after its first delta, until GET /release
//        crc      count the bodies with this CRC-32 as `same`
//        mark     count the bodies that hold this word as `marked`
//   GET /stats    what was received so far, as JSON
//
// Each delta's text is "T" and 18 digits, the CLOCK_MONOTONIC nanosecond at which it was written, so that a client on the
// same machine knows how long it was under way. Every request body is read to its end and summed.
#include "link.h"
#include <math.h>
#include <signal.h>
#include <strings.h>
#include <zlib.h>

#define END_OF_ANSWER "This is the end of the answer."
enum { HEAD_ROOM = 65536, CARRY = 64, READ_ROOM = 1 << 18, EVENTS = 512 };
typedef enum { MESSAGES, CONVERSE } Dialect;

typedef struct Connection {
    Link link;
    enum { HEAD, BODY, ANSWER } state;
    Dialect dialect;
    int streams, last, held, queued, closing, dead, watches_write;
    char *head;
    size_t head_size;
    int chunked;
    Chunks chunks;
    uint64_t length, got, due;
    uint32_t crc;
    int marked;
    char carry[CARRY];
    size_t carried;
    Buffer out;
    size_t sent;
    int event;
    struct Connection *next;
} Connection;

static struct {
    int events;
    uint64_t pace;
    int hold;
    uint32_t crc;
    char mark[CARRY / 2];
} control = {.events = 100};
static struct {
    uint64_t requests, same, marked, bytes, connections, events;
    uint64_t last_length;
    uint32_t last_crc;
} stats;
static int poller;
static Connection *queue_first, *queue_last, *held, *dead;
static char read_buffer[READ_ROOM];
static char answer_text[700];

// Paced streams, in the order in which they are due.
static void enqueue(Connection *connection) {
    connection->queued = 1;
    Connection **at = queue_last && queue_last->due <= connection->due ? &queue_last->next : &queue_first;
    while (*at && (*at)->due <= connection->due) at = &(*at)->next;
    connection->next = *at;
    *at = connection;
    if (!connection->next) queue_last = connection;
}

// The first delta's time. Streams get moments of the pace that lie evenly apart (by the golden ratio), by their number and not by
// when their request was there: else a gateway that ends many uploads at once would get all its events at once and sleep less.
static uint64_t first_due(void) {
    uint64_t now = now_ns(), pace = control.pace * 1000;
    uint64_t moment = (uint64_t)(fmod(0.6180339887 * (double)stats.requests, 1) * (double)pace);
    return now + (pace + moment - now % pace) % pace;
}

static void bury(Connection *connection) {
    if (connection->dead) return;
    connection->dead = 1;
    epoll_ctl(poller, EPOLL_CTL_DEL, connection->link.fd, NULL);
    link_close(&connection->link);
    if (!connection->queued && !connection->held) {  // otherwise the queue or the list still knows it
        connection->next = dead;
        dead = connection;
    }
}

static void watch(Connection *connection, int write) {
    if (connection->watches_write == write) return;
    connection->watches_write = write;
    struct epoll_event event = {EPOLLIN | (write ? EPOLLOUT : 0), {.ptr = connection}};
    epoll_ctl(poller, EPOLL_CTL_MOD, connection->link.fd, &event);
}

// 1: everything is written, 0: the socket is full, -1: the client has gone.
static int flush(Connection *connection) {
    while (connection->sent < connection->out.size) {
        ssize_t put = link_write(&connection->link, connection->out.data + connection->sent,
                                 connection->out.size - connection->sent);
        if (put == AGAIN) {
            watch(connection, 1);
            return 0;
        }
        if (put < 0) {
            bury(connection);
            return -1;
        }
        connection->sent += (size_t)put;
    }
    connection->sent = connection->out.size = 0;
    watch(connection, 0);
    return 1;
}

// Bedrock's framing: lengths, headers and payload, each part with its checksum.
static void put32(unsigned char *at, uint32_t value) {
    for (int byte = 0; byte < 4; byte++) at[byte] = (unsigned char)(value >> (24 - 8 * byte));
}

static size_t frame_header(unsigned char *at, const char *name, const char *value) {
    size_t name_size = strlen(name), value_size = strlen(value);
    at[0] = (unsigned char)name_size;
    memcpy(at + 1, name, name_size);
    at += 1 + name_size;
    at[0] = 7;  // a string
    at[1] = (unsigned char)(value_size >> 8);
    at[2] = (unsigned char)value_size;
    memcpy(at + 3, value, value_size);
    return 1 + name_size + 3 + value_size;
}

static size_t frame(unsigned char *out, const char *type, const char *payload, size_t payload_size) {
    unsigned char *at = out + 12;
    at += frame_header(at, ":event-type", type);
    at += frame_header(at, ":content-type", "application/json");
    at += frame_header(at, ":message-type", "event");
    size_t headers = (size_t)(at - out) - 12, total = 12 + headers + payload_size + 4;
    put32(out, (uint32_t)total);
    put32(out + 4, (uint32_t)headers);
    put32(out + 8, (uint32_t)crc32(0, out, 8));
    memcpy(at, payload, payload_size);
    put32(out + total - 4, (uint32_t)crc32(0, out, (uInt)(total - 4)));
    return total;
}

typedef enum { START, BLOCK_START, DELTA, BLOCK_STOP, FINISH, STOP } Event;

static size_t messages_event(Event event, char *out, size_t room) {
    static const char *const names[] = {"message_start",      "content_block_start", "content_block_delta",
                                        "content_block_stop", "message_delta",       "message_stop"};
    char data[1024];
    switch (event) {
    case START:
        snprintf(data, sizeof data,
                 "{\"type\":\"message_start\",\"message\":{\"model\":\"claude-sonnet-4-5-20250929\",\"id\":\"msg_01Benchmark\","
                 "\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,"
                 "\"usage\":{\"input_tokens\":1204,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":31822,"
                 "\"output_tokens\":4,\"service_tier\":\"standard\"}}}");
        break;
    case BLOCK_START:
        snprintf(data, sizeof data,
                 "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}");
        break;
    case DELTA:
        snprintf(data, sizeof data,
                 "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"T%018llu \"}}",
                 (unsigned long long)now_ns());
        break;
    case BLOCK_STOP: snprintf(data, sizeof data, "{\"type\":\"content_block_stop\",\"index\":0}"); break;
    case FINISH:
        snprintf(data, sizeof data,
                 "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},"
                 "\"usage\":{\"input_tokens\":1204,\"cache_read_input_tokens\":31822,\"output_tokens\":%d}}",
                 control.events * 6);
        break;
    case STOP: snprintf(data, sizeof data, "{\"type\":\"message_stop\"}"); break;
    }
    return (size_t)snprintf(out, room, "event: %s\ndata: %s\n\n", names[event], data);
}

static size_t converse_event(Event event, char *out) {
    static const char *const names[] = {"messageStart", "", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"};
    char data[512] = "";
    switch (event) {
    case START: snprintf(data, sizeof data, "{\"p\":\"abcdefgh\",\"role\":\"assistant\"}"); break;
    case BLOCK_START: return 0;
    case DELTA:
        snprintf(data, sizeof data,
                 "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"T%018llu \"},\"p\":\"abcdefghijklmnop\"}",
                 (unsigned long long)now_ns());
        break;
    case BLOCK_STOP: snprintf(data, sizeof data, "{\"contentBlockIndex\":0,\"p\":\"abcdefgh\"}"); break;
    case FINISH: snprintf(data, sizeof data, "{\"p\":\"abc\",\"stopReason\":\"end_turn\"}"); break;
    case STOP:
        snprintf(data, sizeof data,
                 "{\"metrics\":{\"latencyMs\":812},\"p\":\"abcdef\",\"usage\":{\"inputTokens\":33026,\"outputTokens\":%d,"
                 "\"totalTokens\":%d}}",
                 control.events * 6, 33026 + control.events * 6);
        break;
    }
    return frame((unsigned char *)out, names[event], data, strlen(data));
}

static void emit(Connection *connection, Event event) {
    char text[2048], size_line[32];
    size_t size = connection->dialect == MESSAGES ? messages_event(event, text, sizeof text) : converse_event(event, text);
    if (!size) return;
    append(&connection->out, size_line, (size_t)sprintf(size_line, "%zx\r\n", size));
    append(&connection->out, text, size);
    append(&connection->out, "\r\n", 2);
    stats.events++;
}

static void answered(Connection *connection) {
    connection->state = HEAD;
    connection->head_size = 0;
    if (connection->closing) bury(connection);
}

// One delta, or the end of the stream.
static void next_event(Connection *connection) {
    if (connection->event < connection->last) {
        emit(connection, DELTA);
        connection->event++;
        return;
    }
    for (Event event = BLOCK_STOP; event <= STOP; event++) emit(connection, event);
    append(&connection->out, "0\r\n\r\n", 5);
    connection->event++;
}

// Writes events until the socket is full, the pace or a hold says to wait, or the stream is over.
static void pump(Connection *connection) {
    while (flush(connection) > 0) {
        if (connection->event > connection->last) {
            answered(connection);
            return;
        }
        if (control.hold && connection->event == 1) {
            connection->held = 1;
            connection->next = held;
            held = connection;
            return;
        }
        if (control.pace) {
            connection->due = connection->due ? connection->due + control.pace * 1000 : first_due();
            enqueue(connection);
            return;
        }
        next_event(connection);
    }
}

static void answer(Connection *connection) {
    connection->state = ANSWER;
    connection->event = 0;
    connection->due = 0;
    connection->last = control.events;
    stats.requests++;
    stats.same += connection->crc == control.crc;
    stats.marked += (uint64_t)connection->marked;
    stats.last_length = connection->got;
    stats.last_crc = connection->crc;
    static const char names[] = "request-id: req_011Benchmark\r\nx-amzn-RequestId: benchmark\r\n"
                                "anthropic-ratelimit-requests-remaining: 999\r\n\r\n";
    char *out = reserve(&connection->out, 4096);
    if (connection->streams) {
        const char *type = connection->dialect == MESSAGES ? "text/event-stream; charset=utf-8" : "application/vnd.amazon.eventstream";
        connection->out.size += (size_t)sprintf(out, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n%s", type, names);
        emit(connection, START);
        emit(connection, BLOCK_START);
        pump(connection);
        return;
    }
    char body[2048];
    const char *form = connection->dialect == MESSAGES
        ? "{\"model\":\"claude-sonnet-4-5-20250929\",\"id\":\"msg_01Benchmark\",\"type\":\"message\",\"role\":\"assistant\","
          "\"content\":[{\"type\":\"text\",\"text\":\"%s\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,"
          "\"usage\":{\"input_tokens\":1204,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":31822,"
          "\"output_tokens\":150,\"service_tier\":\"standard\"}}"
        : "{\"metrics\":{\"latencyMs\":812},\"output\":{\"message\":{\"content\":[{\"text\":\"%s\"}],\"role\":\"assistant\"}},"
          "\"stopReason\":\"end_turn\",\"usage\":{\"inputTokens\":33026,\"outputTokens\":150,\"totalTokens\":33176}}";
    int size = snprintf(body, sizeof body, form, answer_text);
    connection->out.size += (size_t)sprintf(out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s", size, names);
    append(&connection->out, body, (size_t)size);
    connection->event = connection->last + 1;
    if (flush(connection) > 0) answered(connection);
}

static void say(Connection *connection, const char *body) {
    char *out = reserve(&connection->out, 1024);
    connection->out.size += (size_t)sprintf(out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    connection->state = ANSWER;
    connection->streams = 0;
    if (flush(connection) > 0) answered(connection);
}

static void release(void) {
    control.hold = 0;
    while (held) {
        Connection *connection = held;
        held = connection->next;
        connection->held = 0;
        if (connection->dead) {
            connection->next = dead;
            dead = connection;
        } else {
            pump(connection);
        }
    }
}

static int parameter(const char *query, const char *name, char *value, size_t room) {
    const char *found = strstr(query, name);
    if (!found) return 0;
    found += strlen(name);
    size_t size = strcspn(found, "& ");
    if (size >= room) size = room - 1;
    memcpy(value, found, size);
    value[size] = 0;
    return 1;
}

static void told(Connection *connection, const char *target) {
    char value[CARRY / 2], body[512];
    if (!strncmp(target, "/release", 8)) release();
    if (!strncmp(target, "/control", 8)) {
        if (parameter(target, "events=", value, sizeof value)) control.events = atoi(value);
        if (parameter(target, "pace=", value, sizeof value)) control.pace = strtoull(value, NULL, 10);
        if (parameter(target, "hold=", value, sizeof value)) control.hold = atoi(value);
        if (parameter(target, "crc=", value, sizeof value)) control.crc = (uint32_t)strtoul(value, NULL, 16);
        parameter(target, "mark=", control.mark, sizeof control.mark);
    }
    snprintf(body, sizeof body,
             "{\"requests\":%llu,\"same\":%llu,\"marked\":%llu,\"bytes\":%llu,\"connections\":%llu,\"events\":%llu,"
             "\"last_length\":%llu,\"last_crc\":\"%08x\"}",
             (unsigned long long)stats.requests, (unsigned long long)stats.same, (unsigned long long)stats.marked,
             (unsigned long long)stats.bytes, (unsigned long long)stats.connections, (unsigned long long)stats.events,
             (unsigned long long)stats.last_length, stats.last_crc);
    say(connection, body);
}

// Looks for the wish to stream and for the mark, also where they are cut in two.
static void look(Connection *connection, const char *data, size_t size) {
    if (!connection->streams && (memmem(data, size, "\"stream\":true", 13) || memmem(data, size, "\"stream\": true", 14)))
        connection->streams = 1;
    if (!connection->marked && control.mark[0] && memmem(data, size, control.mark, strlen(control.mark))) connection->marked = 1;
}

static void body_bytes(Connection *connection, const char *data, size_t size) {
    if (!size) return;
    connection->crc = (uint32_t)crc32(connection->crc, (const unsigned char *)data, (uInt)size);
    connection->got += size;
    stats.bytes += size;
    char seam[2 * CARRY];
    size_t ahead = size < CARRY ? size : CARRY;
    memcpy(seam, connection->carry, connection->carried);
    memcpy(seam + connection->carried, data, ahead);
    look(connection, seam, connection->carried + ahead);
    if (size > ahead) {
        look(connection, data, size);
        memcpy(connection->carry, data + size - CARRY, CARRY);
        connection->carried = CARRY;
        return;
    }
    size_t kept = connection->carried + ahead;
    if (kept > CARRY) kept = CARRY;
    memmove(connection->carry, seam + connection->carried + ahead - kept, kept);
    connection->carried = kept;
}

// A whole head is at hand. Returns 1 when the request has no body.
static int head_read(Connection *connection) {
    char value[256], *head = connection->head;
    connection->length = connection->got = connection->crc = 0;
    connection->carried = 0;
    connection->marked = connection->closing = 0;
    connection->chunked = 0;
    memset(&connection->chunks, 0, sizeof connection->chunks);
    if (header(head, "content-length", value, sizeof value)) connection->length = strtoull(value, NULL, 10);
    if (header(head, "transfer-encoding", value, sizeof value)) connection->chunked = strcasestr(value, "chunked") != NULL;
    if (header(head, "connection", value, sizeof value)) connection->closing = strcasestr(value, "close") != NULL;
    if (header(head, "expect", value, sizeof value)) link_write(&connection->link, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    char *line_end = strchr(head, '\r');
    *line_end = 0;
    connection->dialect = strstr(head, "/converse") ? CONVERSE : MESSAGES;
    connection->streams = strstr(head, "/converse-stream") != NULL;
    if (strncmp(head, "POST ", 5)) {
        char *target = strchr(head, ' ');
        told(connection, target ? target + 1 : "/");
        return 0;
    }
    connection->state = BODY;
    return !connection->chunked && !connection->length;
}

// Takes head bytes; returns how many were used up.
static size_t take_head(Connection *connection, const char *data, size_t size) {
    size_t room = HEAD_ROOM - 1 - connection->head_size, old = connection->head_size;
    if (size > room) size = room;
    memcpy(connection->head + old, data, size);
    connection->head_size += size;
    size_t from = old > 3 ? old - 3 : 0;
    char *end = memmem(connection->head + from, connection->head_size - from, "\r\n\r\n", 4);
    if (!end) {
        if (connection->head_size == HEAD_ROOM - 1) bury(connection);
        return size;
    }
    size_t whole = (size_t)(end + 4 - connection->head);
    connection->head[whole] = 0;
    if (head_read(connection)) answer(connection);
    return whole - old;
}

static size_t take_body(Connection *connection, const char *data, size_t size) {
    size_t used, piece;
    if (connection->chunked) {
        used = chunks_take(&connection->chunks, data, size, &piece);
        body_bytes(connection, data, piece);
        if (connection->chunks.state == CHUNK_END) answer(connection);
        return used;
    }
    uint64_t wanted = connection->length - connection->got;
    used = size < wanted ? size : (size_t)wanted;
    body_bytes(connection, data, used);
    if (connection->got == connection->length) answer(connection);
    return used;
}

static void readable(Connection *connection) {
    for (int turn = 0; turn < 16 && !connection->dead; turn++) {
        ssize_t got = link_read(&connection->link, read_buffer, sizeof read_buffer);
        if (got == AGAIN) {
            if (connection->link.wants_write) watch(connection, 1);
            return;
        }
        if (got <= 0) {
            bury(connection);
            return;
        }
        const char *data = read_buffer;
        for (size_t left = (size_t)got, used; left && !connection->dead; left -= used, data += used) {
            if (connection->state == ANSWER) break;  // nobody sends a second request before the first answer
            used = connection->state == HEAD ? take_head(connection, data, left) : take_body(connection, data, left);
        }
    }
    // TLS may hold bytes that epoll knows nothing of.
    if (!connection->dead && connection->link.tls && SSL_pending(connection->link.tls)) readable(connection);
}

static int listening(int *port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    if (bind(fd, (void *)&at, sizeof at) || listen(fd, 4096) || getsockname(fd, (void *)&at, &size)) fail("cannot listen");
    *port = ntohs(at.sin_port);
    return fd;
}

static SSL_CTX *context(const char *certificate, const char *key) {
    SSL_CTX *made = SSL_CTX_new(TLS_server_method());
    if (!made || SSL_CTX_use_certificate_chain_file(made, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(made, key, SSL_FILETYPE_PEM) != 1)
        fail_tls("cannot use the certificate");
    SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    return made;
}

static void accept_all(int from, SSL_CTX *tls) {
    for (int fd; (fd = accept4(from, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        no_delay(fd);
        Connection *connection = calloc(1, sizeof *connection);
        if (!connection || !(connection->head = malloc(HEAD_ROOM))) fail("malloc");
        connection->link.fd = fd;
        if (tls) {
            connection->link.tls = SSL_new(tls);
            SSL_set_fd(connection->link.tls, fd);
            SSL_set_accept_state(connection->link.tls);
        }
        stats.connections++;
        struct epoll_event event = {EPOLLIN, {.ptr = connection}};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

static void ready(Connection *connection, uint32_t events) {
    if (connection->dead) return;
    if (events & EPOLLOUT) {
        if (connection->state == ANSWER && !connection->queued && !connection->held) pump(connection);
        else if (connection->state != ANSWER) watch(connection, 0);
        else flush(connection);
    }
    if (!connection->dead && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(connection);
}

static void serve_due(void) {
    while (queue_first && (queue_first->dead || queue_first->due <= now_ns())) {
        Connection *connection = queue_first;
        queue_first = connection->next;
        if (!queue_first) queue_last = NULL;
        connection->queued = 0;
        if (connection->dead) {
            connection->next = dead;
            dead = connection;
            continue;
        }
        next_event(connection);
        pump(connection);
    }
}

static int wait_for(struct epoll_event *events) {
    if (!queue_first) return epoll_wait(poller, events, EVENTS, -1);
    uint64_t now = now_ns(), left = queue_first->due > now ? queue_first->due - now : 0;
    struct timespec patience = {(time_t)(left / 1000000000ull), (long)(left % 1000000000ull)};
    return epoll_pwait2(poller, events, EVENTS, &patience, NULL);
}

int main(int count, char **words) {
    signal(SIGPIPE, SIG_IGN);  // TLS writes without MSG_NOSIGNAL
    const char sentence[] = "The quick brown fox jumps over the lazy dog, then edits src/main.py again. ";
    while (strlen(answer_text) + sizeof sentence + sizeof END_OF_ANSWER < sizeof answer_text) strcat(answer_text, sentence);
    strcat(answer_text, END_OF_ANSWER);
    SSL_CTX *tls = count > 2 ? context(words[1], words[2]) : NULL;
    int ports[2] = {0, 0};
    int sockets[2] = {listening(&ports[0]), tls ? listening(&ports[1]) : -1};
    poller = epoll_create1(0);
    for (int which = 0; which < (tls ? 2 : 1); which++) {
        struct epoll_event event = {EPOLLIN, {.ptr = &sockets[which]}};
        epoll_ctl(poller, EPOLL_CTL_ADD, sockets[which], &event);
    }
    printf("{\"plain\":%d,\"tls\":%d}\n", ports[0], ports[1]);
    fflush(stdout);
    struct epoll_event events[EVENTS];
    for (;;) {
        int found = wait_for(events);
        for (int index = 0; index < found; index++) {
            void *about = events[index].data.ptr;
            if (about == &sockets[0]) accept_all(sockets[0], NULL);
            else if (about == &sockets[1]) accept_all(sockets[1], tls);
            else ready(about, events[index].events);
        }
        serve_due();
        while (dead) {
            Connection *gone = dead;
            dead = gone->next;
            free(gone->head);
            free(gone->out.data);
            free(gone);
        }
    }
}
