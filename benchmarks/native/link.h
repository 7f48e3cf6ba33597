// What both programs share: time, growing buffers, and a non-blocking connection with or without TLS.
#ifndef LINK_H
#define LINK_H
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { AGAIN = -1, BROKEN = -2 };

typedef struct {
    int fd;
    SSL *tls;         // NULL without TLS
    int wants_write;  // the last call could not go on before the socket takes more
} Link;

typedef struct {
    char *data;
    size_t size, room;
} Buffer;

static inline uint64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000ull + (uint64_t)at.tv_nsec;
}

static inline void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static inline void fail_tls(const char *what) {
    fprintf(stderr, "%s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static inline char *reserve(Buffer *buffer, size_t more) {
    if (buffer->size + more > buffer->room) {
        buffer->room = (buffer->size + more) * 2;
        buffer->data = realloc(buffer->data, buffer->room);
        if (!buffer->data) fail("realloc");
    }
    return buffer->data + buffer->size;
}

static inline void append(Buffer *buffer, const void *data, size_t size) {
    memcpy(reserve(buffer, size), data, size);
    buffer->size += size;
}

static inline ssize_t tls_outcome(Link *link, int result) {
    switch (SSL_get_error(link->tls, result)) {
    case SSL_ERROR_WANT_READ: return AGAIN;
    case SSL_ERROR_WANT_WRITE: link->wants_write = 1; return AGAIN;
    case SSL_ERROR_ZERO_RETURN: return 0;
    default: ERR_clear_error(); return BROKEN;
    }
}

// Bytes read, 0 at the end, AGAIN or BROKEN.
static inline ssize_t link_read(Link *link, void *data, size_t size) {
    if (link->tls) {
        int got = SSL_read(link->tls, data, (int)size);
        return got > 0 ? got : tls_outcome(link, got);
    }
    ssize_t got = recv(link->fd, data, size, 0);
    if (got >= 0) return got;
    return errno == EAGAIN || errno == ENOTCONN ? AGAIN : BROKEN;
}

// Bytes written, AGAIN or BROKEN.
static inline ssize_t link_write(Link *link, const void *data, size_t size) {
    link->wants_write = 0;
    if (link->tls) {
        int put = SSL_write(link->tls, data, (int)(size > 1 << 20 ? 1 << 20 : size));
        if (put > 0) return put;
        ssize_t outcome = tls_outcome(link, put);
        return outcome == 0 ? BROKEN : outcome;
    }
    ssize_t put = send(link->fd, data, size, MSG_NOSIGNAL);
    if (put >= 0) return put;
    if (errno != EAGAIN && errno != ENOTCONN) return BROKEN;
    link->wants_write = 1;
    return AGAIN;
}

static inline void link_close(Link *link) {
    if (link->tls) SSL_free(link->tls);
    if (link->fd >= 0) close(link->fd);
    link->tls = NULL;
    link->fd = -1;
}

static inline void no_delay(int fd) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

// A chunked body, read piece by piece. `CHUNK_END` is after the last line of the trailer.
typedef struct {
    enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_AFTER, CHUNK_TRAILER, CHUNK_END } state;
    uint64_t left;
    char line[32];
    int length;
} Chunks;

// Takes bytes from `data`; sets `*piece` to the body bytes among them. Returns how many bytes were used up.
static inline size_t chunks_take(Chunks *chunks, const char *data, size_t size, size_t *piece) {
    *piece = 0;
    if (chunks->state == CHUNK_DATA) {
        size_t taken = size < chunks->left ? size : (size_t)chunks->left;
        *piece = taken;
        chunks->left -= taken;
        if (!chunks->left) chunks->state = CHUNK_AFTER;
        return taken;
    }
    char byte = *data;
    if (byte != '\n') {
        if (byte != '\r' && chunks->length < (int)sizeof chunks->line - 1) chunks->line[chunks->length++] = byte;
        return 1;
    }
    chunks->line[chunks->length] = 0;
    if (chunks->state == CHUNK_SIZE) {
        chunks->left = strtoull(chunks->line, NULL, 16);
        chunks->state = chunks->left ? CHUNK_DATA : CHUNK_TRAILER;
    } else if (chunks->state == CHUNK_AFTER) {
        chunks->state = CHUNK_SIZE;
    } else if (chunks->length == 0) {
        chunks->state = CHUNK_END;
    }
    chunks->length = 0;
    return 1;
}

// The value of a header in a head that ends with a zero byte; 0 when it is not there.
static inline int header(const char *head, const char *name, char *value, size_t room) {
    size_t length = strlen(name);
    for (const char *line = strchr(head, '\n'); line; line = strchr(line, '\n')) {
        line++;
        if (strncasecmp(line, name, length) || line[length] != ':') continue;
        line += length + 1;
        line += strspn(line, " \t");
        size_t size = strcspn(line, "\r\n");
        if (size >= room) size = room - 1;
        memcpy(value, line, size);
        value[size] = 0;
        return 1;
    }
    return 0;
}
#endif
