#define _GNU_SOURCE /* pipe2 */
#include "cli/tune_workers.h"
#include "cli/trial_worker.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char program[] = "/proc/self/exe";

/* ---- beginning and ending -------------------------------------------------------------------- */

fm_status tune_workers_open(fm_context *context, int count, const char *log, tune_workers *workers)
{
    signal(SIGPIPE, SIG_IGN); /* writing to a worker that is gone is no reason to end */
    *workers = (tune_workers){.context = context, .count = count, .log = log};
    workers->workers = fm_allocate_array(context, (size_t)count, sizeof *workers->workers);
    if (!workers->workers) return FM_ERROR_MEMORY;
    for (int i = 0; i < count; i++) workers->workers[i] = (tune_worker){.to = -1, .from = -1};
    return FM_OK;
}

static void close_end(int *descriptor)
{
    if (*descriptor >= 0) close(*descriptor);
    *descriptor = -1;
}

static void reap(tune_workers *workers, tune_worker *worker, char end[128])
{
    int status = 0;
    close_end(&worker->to);
    close_end(&worker->from);
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR) continue;
    if (WIFSIGNALED(status)) {
        snprintf(end, 128, "its process was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    } else {
        snprintf(end, 128, "its process ended with exit code %d", WEXITSTATUS(status));
    }
    worker->pid = 0;
    worker->size = 0;
    fm_release(workers->context, worker->bytes);
    worker->bytes = NULL;
    worker->capacity = 0;
}

void tune_workers_close(tune_workers *workers)
{
    char end[128];
    if (!workers->workers) return;
    for (int i = 0; i < workers->count; i++) close_end(&workers->workers[i].to);
    for (int i = 0; i < workers->count; i++) {
        tune_worker *worker = &workers->workers[i];
        char unread[4096];
        while (worker->pid && (read(worker->from, unread, sizeof unread) > 0 || errno == EINTR)) {
            errno = 0;
        }
        if (worker->pid) reap(workers, worker, end);
    }
    fm_release(workers->context, workers->workers);
    workers->workers = NULL;
}

static int spawn(tune_workers *workers, int in, int out, pid_t *pid)
{
    char *words[] = {"fathom", (char *)(uintptr_t)trial_worker_word, NULL};
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error) return error;
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, workers->log,
                                     O_WRONLY | O_CREAT | O_APPEND, 0666);
    error = posix_spawn(pid, program, &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* The pipes' ends close by themselves in other workers,
 * so that each hears when this process ends. */
fm_status tune_worker_start(tune_workers *workers, int index)
{
    tune_worker *worker = &workers->workers[index];
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    int error = pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 ? errno : 0;
    if (!error) error = spawn(workers, in[0], out[1], &worker->pid);
    close_end(&in[0]);
    close_end(&out[1]);
    if (error) {
        close_end(&in[1]);
        close_end(&out[0]);
        worker->pid = 0;
        errno = error;
        return fm_fail_system(workers->context, program, "start a process from");
    }
    worker->to = in[1];
    worker->from = out[0];
    return FM_OK;
}

/* ---- talking --------------------------------------------------------------------------------- */

void tune_worker_send(tune_workers *workers, int index, json_t *object)
{
    const tune_worker *worker = &workers->workers[index];
    char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    size_t size = line ? strlen(line) : 0, sent = 0;
    if (line) line[size++] = '\n'; /* in place of the end of the string */
    while (sent < size) {
        ssize_t written = write(worker->to, line + sent, size - sent);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) break;
        sent += (size_t)written;
    }
    free(line);
}

/* The first whole line that was received. */
static bool take_line(tune_worker *worker, tune_message *message)
{
    char *end = worker->size ? memchr(worker->bytes, '\n', worker->size) : NULL;
    if (!end) return false;
    size_t length = (size_t)(end - worker->bytes);
    message->object = json_loadb(worker->bytes, length, 0, NULL);
    worker->size -= length + 1;
    memmove(worker->bytes, end + 1, worker->size);
    return message->object != NULL;
}

static bool receive(tune_workers *workers, int index, tune_message *message)
{
    tune_worker *worker = &workers->workers[index];
    enum { CHUNK = 4096 };
    fm_status status =
        fm_grow(workers->context, &worker->bytes, &worker->capacity, worker->size + CHUNK, 1);
    ssize_t got = status == FM_OK ? read(worker->from, worker->bytes + worker->size, CHUNK) : 0;
    if (got < 0 && errno == EINTR) return false;
    if (got <= 0) {
        reap(workers, worker, message->end);
        return true;
    }
    worker->size += (size_t)got;
    return take_line(worker, message);
}

bool tune_workers_hear(tune_workers *workers, double seconds, tune_message *message)
{
    enum { MOST = 256 };
    struct pollfd ends[MOST];
    *message = (tune_message){0};
    int count = workers->count < MOST ? workers->count : MOST;
    for (int i = 0; i < count; i++) {
        message->worker = i;
        if (take_line(&workers->workers[i], message)) return true;
        ends[i] = (struct pollfd){.fd = workers->workers[i].from, .events = POLLIN};
    }
    if (poll(ends, (nfds_t)count, (int)(1000 * seconds)) <= 0) return false;
    for (int i = 0; i < count; i++) {
        if (!ends[i].revents) continue;
        message->worker = i;
        if (receive(workers, i, message)) return true;
    }
    return false;
}
