// A client made of nothing but speed: N requests at once over kept connections, on one thread with epoll.
//
//   load -p PORT -b BODY -c AT_ONCE (-d SECONDS | -n REQUESTS) [-e EVENTS] [-u TARGET] [-H 'name: value']... [-t SECONDS]
//        [-A CA [-C CERTIFICATE -K KEY]] [-o]
//
// First every connection is opened and answers one request; then it prints "ready" and waits for a line on its input, so
// that what is measured afterwards holds no handshake. It ends with one line of JSON. An answer counts as whole when
// the framing says so, its status is 200, it holds the end that the upstream wrote, and, with -e, that many text deltas.
//
// -o opens AT_ONCE streams without a first request, prints "open" once each has shown its first delta, waits for a line, and
// reads them to their ends.
#include "link.h"
#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <strings.h>
#include <sys/resource.h>

enum { HEAD_ROOM = 16384, READ_ROOM = 1 << 18, TAIL = 48, DIGITS = 18, READY = 512, STALLED = 40 };
#define END_OF_JSON "the end of the answer."
#define END_OF_STREAM "message_stop"

typedef struct {
    double *values;
    size_t count, room;
} Samples;

typedef struct {
    Link link;
    enum { IDLE, ASKING, HEAD, BODY } state;
    int streams_left, status, chunked, closing, ended, deltas, shown, watches_write, warmed;
    size_t sent, head_size, tail_size;
    char head[HEAD_ROOM], tail[TAIL];
    long long length;
    uint64_t got, began, first;
    Chunks chunks;
} Connection;

static struct {
    const char *target, *body, *ca, *certificate, *key;
    char headers[8192];
    int port, at_once, events, open_streams;
    double seconds, patience;
    uint64_t requests;
} asked = {.target = "/v1/messages", .at_once = 1, .events = -1, .patience = 120};
static struct {
    uint64_t whole, bad, short_of_events, deltas, bytes, started, first_start, last_end;
    Samples first_byte, total, delay;
    char trouble[256];
} done;
static Buffer request;
static SSL_CTX *tls;
static int poller, busy, warming, shown;
static uint64_t deadline, progress;
static struct sockaddr_in address;

static void note(Samples *samples, double value) {
    if (samples->count == samples->room) {
        samples->room = samples->room ? samples->room * 2 : 4096;
        samples->values = realloc(samples->values, samples->room * sizeof(double));
        if (!samples->values) fail("realloc");
    }
    samples->values[samples->count++] = value;
}

static int by_size(const void *left, const void *right) {
    double difference = *(const double *)left - *(const double *)right;
    return difference < 0 ? -1 : difference > 0;
}

static double percentile(Samples *samples, double part) {
    if (!samples->count) return -1;
    qsort(samples->values, samples->count, sizeof(double), by_size);
    return samples->values[(size_t)(part * (double)(samples->count - 1) + 0.5)];
}

static void watch(Connection *connection, int write) {
    if (connection->watches_write == write) return;
    connection->watches_write = write;
    struct epoll_event event = {EPOLLIN | (write ? EPOLLOUT : 0), {.ptr = connection}};
    epoll_ctl(poller, EPOLL_CTL_MOD, connection->link.fd, &event);
}

static void open_connection(Connection *connection) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    no_delay(fd);
    if (connect(fd, (void *)&address, sizeof address) && errno != EINPROGRESS) fail("connect");
    connection->link.fd = fd;
    if (tls) {
        connection->link.tls = SSL_new(tls);
        SSL_set_fd(connection->link.tls, fd);
        SSL_set_connect_state(connection->link.tls);
        SSL_set1_host(connection->link.tls, "127.0.0.1");
    }
    connection->watches_write = 1;
    struct epoll_event event = {EPOLLIN | EPOLLOUT, {.ptr = connection}};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static void reopen(Connection *connection) {
    link_close(&connection->link);
    open_connection(connection);
}

static int more(Connection *connection) {
    if (warming) return !connection->warmed;
    if (asked.requests) return done.started < asked.requests;
    return now_ns() < deadline;
}

static void begin(Connection *connection) {
    connection->state = ASKING;
    connection->sent = connection->head_size = connection->tail_size = 0;
    connection->status = connection->deltas = connection->ended = 0;
    connection->first = 0;
    connection->began = now_ns();
    if (!done.first_start) done.first_start = connection->began;
    done.started++;
    watch(connection, 1);
}

static void go_on(Connection *connection) {
    if (more(connection)) {
        begin(connection);
    } else {
        connection->state = IDLE;
        watch(connection, 0);
        busy--;
    }
}

static void trouble(Connection *connection, const char *what) {
    done.bad++;
    if (!done.trouble[0])
        snprintf(done.trouble, sizeof done.trouble, "%s, status %d, %.120s", what, connection->status, connection->head_size ? connection->head : "no answer");
    connection->warmed = 1;
    if (done.bad > 2000) {
        asked.requests = 1;  // no measurement any more
        done.started = 1;
    }
    reopen(connection);
    go_on(connection);
}

static void finish(Connection *connection) {
    uint64_t now = now_ns();
    if (connection->status != 200 || !connection->ended) {
        trouble(connection, connection->status != 200 ? "refused" : "the end is missing");
        return;
    }
    connection->warmed = 1;
    done.last_end = now;
    done.whole++;
    done.short_of_events += asked.events >= 0 && connection->deltas != asked.events;
    if (!warming) {
        note(&done.first_byte, (double)(connection->first - connection->began) / 1e3);
        note(&done.total, (double)(now - connection->began) / 1e3);
    }
    if (connection->closing) reopen(connection);
    go_on(connection);
}

// Looks for the deltas' times and for the answer's end; what may go on in the next piece is kept.
static void look(Connection *connection, const char *data, size_t size, uint64_t now) {
    static char seam[READ_ROOM + TAIL];
    memcpy(seam, connection->tail, connection->tail_size);
    memcpy(seam + connection->tail_size, data, size);
    char *at = seam, *end = seam + connection->tail_size + size, *used = seam;
    const char *last = asked.events >= 0 ? END_OF_STREAM : END_OF_JSON;
    if (memmem(seam, (size_t)(end - seam), last, strlen(last))) connection->ended = 1;
    while ((at = memchr(at, 'T', (size_t)(end - at))) && end - at > DIGITS) {
        uint64_t written = 0;
        int digits = 0;
        while (digits < DIGITS && at[1 + digits] >= '0' && at[1 + digits] <= '9') written = written * 10 + (uint64_t)(at[++digits] - '0');
        at++;
        if (digits < DIGITS) continue;
        at += DIGITS;
        used = at;
        connection->deltas++;
        done.deltas++;
        if (!warming) note(&done.delay, ((double)now - (double)written) / 1e3);
    }
    size_t kept = (size_t)(end - used) < TAIL ? (size_t)(end - used) : TAIL;
    memcpy(connection->tail, end - kept, kept);
    connection->tail_size = kept;
    if (connection->deltas && !connection->shown) {
        connection->shown = 1;
        shown++;
    }
}

static void payload(Connection *connection, const char *data, size_t size, uint64_t now) {
    if (!size) return;
    progress = now;
    if (!connection->first) connection->first = now;
    connection->got += size;
    done.bytes += size;
    look(connection, data, size, now);
}

// Takes bytes of a head; returns how many were used up.
static size_t take_head(Connection *connection, const char *data, size_t size) {
    size_t old = connection->head_size, room = HEAD_ROOM - 1 - old;
    if (size > room) size = room;
    memcpy(connection->head + old, data, size);
    connection->head[connection->head_size = old + size] = 0;
    char *end = strstr(connection->head, "\r\n\r\n");
    if (!end) return size;
    size_t whole = (size_t)(end + 4 - connection->head);
    connection->head[whole] = 0;
    connection->status = atoi(connection->head + 9);
    if (connection->status == 100) {
        connection->head_size = 0;
        return whole - old;
    }
    char value[256];
    connection->state = BODY;
    connection->got = 0;
    memset(&connection->chunks, 0, sizeof connection->chunks);
    connection->length = header(connection->head, "content-length", value, sizeof value) ? atoll(value) : -1;
    connection->chunked = header(connection->head, "transfer-encoding", value, sizeof value) && strcasestr(value, "chunked");
    connection->closing = header(connection->head, "connection", value, sizeof value) && strcasestr(value, "close");
    return whole - old;
}

// Takes bytes of a body; returns how many were used up.
static size_t take_body(Connection *connection, const char *data, size_t size, uint64_t now) {
    if (!connection->chunked) {
        payload(connection, data, size, now);
        return size;
    }
    size_t piece, used = chunks_take(&connection->chunks, data, size, &piece);
    payload(connection, data, piece, now);
    return used;
}

static int is_over(const Connection *connection) {
    if (connection->state != BODY) return 0;
    if (connection->chunked) return connection->chunks.state == CHUNK_END;
    return connection->length >= 0 && connection->got >= (uint64_t)connection->length;
}

static void at_end(Connection *connection) {
    if (connection->state == IDLE) {  // a kept connection was closed
        reopen(connection);
    } else if (connection->state == BODY && connection->length < 0 && !connection->chunked) {
        connection->closing = 1;
        finish(connection);
    } else {
        trouble(connection, "the connection ended early");
    }
}

static void readable(Connection *connection) {
    static char room[READ_ROOM];
    for (;;) {
        ssize_t got = link_read(&connection->link, room, sizeof room);
        if (got == AGAIN) return;
        if (got <= 0) {
            at_end(connection);
            return;
        }
        uint64_t now = now_ns();
        const char *data = room;
        for (size_t left = (size_t)got, used; left; left -= used, data += used) {
            if (connection->state == ASKING) connection->state = HEAD;  // an answer before the request was whole
            if (connection->state == IDLE) return;
            used = connection->state == HEAD ? take_head(connection, data, left) : take_body(connection, data, left, now);
            if (!used) {
                trouble(connection, "a head that is too long");
                return;
            }
            if (is_over(connection)) {
                finish(connection);
                return;
            }
        }
    }
}

static void writable(Connection *connection) {
    while (connection->state == ASKING && connection->sent < request.size) {
        ssize_t put = link_write(&connection->link, request.data + connection->sent, request.size - connection->sent);
        if (put == AGAIN) {
            if (!connection->link.wants_write) watch(connection, 0);  // the handshake waits for the other side
            return;
        }
        if (put < 0) {
            trouble(connection, "the request was not taken");
            return;
        }
        connection->sent += (size_t)put;
    }
    if (connection->state == ASKING) connection->state = HEAD;
    watch(connection, 0);
}

static void served(Connection *connection, uint32_t events) {
    if (connection->link.fd < 0) return;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(connection);
    if (connection->state == ASKING) writable(connection);
    else if (events & EPOLLOUT) watch(connection, 0);
}

// Serves until all connections are idle, `enough` streams have shown a delta, or time is up; 0 when it is. It is up as
// well when nothing at all has come for a while.
static int serve(int enough) {
    uint64_t limit = now_ns() + (uint64_t)(asked.patience * 1e9);
    progress = now_ns();
    struct epoll_event events[READY];
    while (busy && !(enough && shown >= enough)) {
        int found = epoll_wait(poller, events, READY, 200);
        for (int index = 0; index < found; index++) served(events[index].data.ptr, events[index].events);
        if (now_ns() > limit || now_ns() > progress + STALLED * 1000000000ull) return 0;
    }
    return 1;
}

static void wait_for_word(const char *said) {
    char line[64];
    puts(said);
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) exit(1);
}

static void read_arguments(int count, char **words) {
    for (int option; (option = getopt(count, words, "p:u:b:c:d:n:e:H:t:A:C:K:o")) > 0;) switch (option) {
        case 'p': asked.port = atoi(optarg); break;
        case 'u': asked.target = optarg; break;
        case 'b': asked.body = optarg; break;
        case 'c': asked.at_once = atoi(optarg); break;
        case 'd': asked.seconds = atof(optarg); break;
        case 'n': asked.requests = strtoull(optarg, NULL, 10); break;
        case 'e': asked.events = atoi(optarg); break;
        case 't': asked.patience = atof(optarg); break;
        case 'A': asked.ca = optarg; break;
        case 'C': asked.certificate = optarg; break;
        case 'K': asked.key = optarg; break;
        case 'o': asked.open_streams = 1; break;
        case 'H':
            if (strlen(asked.headers) + strlen(optarg) + 3 > sizeof asked.headers) fail("too many headers");
            strcat(strcat(asked.headers, optarg), "\r\n");
            break;
        default: exit(2);
        }
    if (!asked.port || !asked.body) {
        fputs("load: -p PORT and -b BODY are needed\n", stderr);
        exit(2);
    }
}

static void read_request(void) {
    FILE *file = fopen(asked.body, "rb");
    if (!file) fail(asked.body);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    request.size += (size_t)sprintf(
        reserve(&request, sizeof asked.headers + 4096 + (size_t)size),
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nAccept: application/json\r\n"
        "User-Agent: claude-cli/2.1 (external, cli)\r\nanthropic-version: 2023-06-01\r\nanthropic-beta: benchmark-2026\r\nx-app: cli\r\n"
        "%sContent-Length: %ld\r\n\r\n",
        asked.target, asked.port, asked.headers, size);
    if (fread(request.data + request.size, 1, (size_t)size, file) != (size_t)size) fail(asked.body);
    request.size += (size_t)size;
    fclose(file);
}

static void prepare_tls(void) {
    tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_load_verify_locations(tls, asked.ca, NULL) != 1) fail_tls("cannot use the authority");
    if (asked.certificate && (SSL_CTX_use_certificate_chain_file(tls, asked.certificate) != 1 ||
                              SSL_CTX_use_PrivateKey_file(tls, asked.key, SSL_FILETYPE_PEM) != 1))
        fail_tls("cannot use the client certificate");
}

// Each connection begins at least one request, unless only so many are asked for.
static void start_all(Connection *connections) {
    for (int index = 0; index < asked.at_once; index++)
        if (!asked.requests || more(&connections[index])) {
            busy++;
            begin(&connections[index]);
        }
}

static void report(int in_time) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    for (char *at = done.trouble; *at; at++)
        if (*at == '"' || *at == '\\' || (unsigned char)*at < 32 || (unsigned char)*at > 126) *at = ' ';
    printf("{\"whole\":%llu,\"bad\":%llu,\"short_of_events\":%llu,\"unfinished\":%d,\"seconds\":%.6f,\"deltas\":%llu,\"bytes\":%llu,"
           "\"first_byte_p50\":%.1f,\"first_byte_p99\":%.1f,\"total_p50\":%.1f,\"total_p99\":%.1f,"
           "\"delay_p50\":%.1f,\"delay_p99\":%.1f,\"client_cpu\":%.4f,\"trouble\":\"%s\"}\n",
           (unsigned long long)done.whole, (unsigned long long)done.bad, (unsigned long long)done.short_of_events,
           in_time ? 0 : busy, done.last_end > done.first_start ? (double)(done.last_end - done.first_start) / 1e9 : 0.0,
           (unsigned long long)done.deltas, (unsigned long long)done.bytes,
           percentile(&done.first_byte, 0.5), percentile(&done.first_byte, 0.99), percentile(&done.total, 0.5),
           percentile(&done.total, 0.99), percentile(&done.delay, 0.5), percentile(&done.delay, 0.99), cpu, done.trouble);
}

int main(int count, char **words) {
    read_arguments(count, words);
    read_request();
    signal(SIGPIPE, SIG_IGN);
    if (asked.ca) prepare_tls();
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)asked.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    poller = epoll_create1(0);
    Connection *connections = calloc((size_t)asked.at_once, sizeof(Connection));
    if (!connections) fail("calloc");
    for (int index = 0; index < asked.at_once; index++) open_connection(&connections[index]);
    int in_time = 1, events = asked.events;
    if (asked.open_streams) {
        asked.requests = (uint64_t)asked.at_once;
        start_all(connections);
        in_time = serve(asked.at_once);
        wait_for_word(in_time && shown >= asked.at_once ? "open" : "not all");
    } else {
        warming = 1;
        asked.events = events < 0 ? -1 : 0;  // how many deltas the first answers have is the upstream's choice
        start_all(connections);
        in_time = serve(0);
        uint64_t bad = done.bad;
        memset(&done, 0, offsetof(__typeof__(done), trouble));
        asked.events = events;
        warming = 0;
        if (!in_time) {
            done.bad = bad + 1;
            strcpy(done.trouble, "the first requests took too long");
            puts("late");
            report(0);
            return 1;
        }
        wait_for_word(bad ? "refused" : "ready");
        done.trouble[0] = bad ? done.trouble[0] : 0;
        deadline = now_ns() + (uint64_t)(asked.seconds * 1e9);
        start_all(connections);
    }
    in_time = serve(0) && in_time;
    report(in_time);
    return 0;
}
