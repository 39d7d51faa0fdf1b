/* A web server of one thread on 127.0.0.1 that can misbehave. */
#ifndef TESTS_SUPPORT_LOOPBACK_H
#define TESTS_SUPPORT_LOOPBACK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct loopback_file {
    const char *path; /* "/name" */
    const void *bytes;
    size_t size;
} loopback_file;

typedef struct loopback {
    const loopback_file *files; /* ends with path NULL */
    atomic_bool no_ranges;      /* answers a range with the whole file */
    atomic_size_t cut_at;       /* closes after so many bytes of an answer; 0: never */
    atomic_int requests;
    atomic_size_t last_start; /* of the last range */
    const char *redirect;     /* every request is sent there */
    int listener, port;
    pthread_t thread;
} loopback;

/* Fill in files before. The address of a file is loopback_url(server, "/name"). */
void loopback_start(loopback *server);
void loopback_stop(loopback *server);
const char *loopback_url(const loopback *server, const char *path);

#endif
