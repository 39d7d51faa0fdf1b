#include "support/loopback.h"
#include "support/fixture.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static bool send_all(int connection, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t sent = send(connection, at, size, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* The request's head; false when the other side hung up. */
static bool receive_head(int connection, char *head, size_t room)
{
    size_t size = 0;
    while (size + 1 < room) {
        ssize_t got = recv(connection, head + size, room - 1 - size, 0);
        if (got <= 0) return false;
        size += (size_t)got;
        head[size] = '\0';
        if (strstr(head, "\r\n\r\n")) return true;
    }
    return false;
}

static const loopback_file *find_file(const loopback *server, const char *head)
{
    for (const loopback_file *file = server->files; file->path; file++) {
        size_t length = strlen(file->path);
        if (strncmp(head + 4, file->path, length) == 0 && head[4 + length] == ' ') return file;
    }
    return NULL;
}

static void send_file(loopback *server, int connection, const loopback_file *file, size_t start,
                      bool partial)
{
    char head[256];
    size_t size = file->size - start, cut = atomic_exchange(&server->cut_at, 0);
    int length =
        snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n",
                 partial ? "206 Partial Content" : "200 OK", size);
    if (partial) {
        length +=
            snprintf(head + length, sizeof head - (size_t)length,
                     "Content-Range: bytes %zu-%zu/%zu\r\n", start, file->size - 1, file->size);
    }
    length += snprintf(head + length, sizeof head - (size_t)length, "\r\n");
    if (!send_all(connection, head, (size_t)length)) return;
    send_all(connection, (const char *)file->bytes + start, cut && cut < size ? cut : size);
}

static void answer(loopback *server, int connection, const char *head)
{
    static const char absent[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    static const char beyond[] = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n";
    char moved[512];
    const loopback_file *file = find_file(server, head);
    const char *range = strstr(head, "Range: bytes=");
    size_t start = range ? strtoul(range + 13, NULL, 10) : 0;
    atomic_store(&server->last_start, start);
    if (server->redirect) {
        snprintf(moved, sizeof moved,
                 "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
                 server->redirect);
        send_all(connection, moved, strlen(moved));
    } else if (!file) {
        send_all(connection, absent, sizeof absent - 1);
    } else if (range && !atomic_load(&server->no_ranges)) {
        if (start >= file->size) {
            send_all(connection, beyond, sizeof beyond - 1);
        } else {
            send_file(server, connection, file, start, true);
        }
    } else {
        send_file(server, connection, file, 0, false);
    }
}

static void *serve(void *argument)
{
    loopback *server = argument;
    for (;;) {
        int connection = accept(server->listener, NULL, NULL);
        if (connection < 0) return NULL;
        char head[4096];
        if (receive_head(connection, head, sizeof head)) {
            atomic_fetch_add(&server->requests, 1);
            answer(server, connection, head);
        }
        shutdown(connection, SHUT_WR);
        close(connection);
    }
}

void loopback_start(loopback *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (server->listener < 0 ||
        bind(server->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->listener, 16) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&server->thread, NULL, serve, server) != 0) {
        fail_msg("no server could be started on 127.0.0.1");
    }
    server->port = ntohs(address.sin_port);
}

void loopback_stop(loopback *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
}

const char *loopback_url(const loopback *server, const char *path)
{
    static _Thread_local char urls[4][256];
    static _Thread_local unsigned next;
    char *url = urls[next++ % 4];
    snprintf(url, sizeof urls[0], "http://127.0.0.1:%d%s", server->port, path);
    return url;
}
