#include "support/program_run.h"

#include <libgen.h>
#include <sys/wait.h>
#include <unistd.h>

/* The tests lie in BUILD/tests, the program in BUILD. */
const char *program_path(void)
{
    static char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 16);
    if (size <= 0) fail_msg("where is this test?");
    path[size] = '\0';
    char *folder = dirname(dirname(path));
    memmove(path, folder, strlen(folder) + 1);
    strcat(path, "/fathom");
    return path;
}

static void read_text(const char *path, char *text)
{
    FILE *stream = fopen(path, "rb");
    if (!stream) fail_msg("%s: not written", path);
    size_t size = fread(text, 1, PROGRAM_OUTPUT - 1, stream);
    text[size] = '\0';
    fclose(stream);
}

const program_result *program_run(fixture *f, const char *line)
{
    static program_result result;
    char out[256], err[256], command[8192];
    snprintf(out, sizeof out, "%s", fixture_path(f, "program.out"));
    snprintf(err, sizeof err, "%s", fixture_path(f, "program.err"));
    snprintf(command, sizeof command,
             "FATHOM='%s' HERE='%s'; export HOME=$HERE XDG_CACHE_HOME=$HERE FATHOM_DATA=$HERE; "
             "unset COLUMNS LC_ALL LC_CTYPE; LANG=C; { %s\n} >'%s' 2>'%s'",
             program_path(), f->folder, line, out, err);
    int status = system(command);
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    read_text(out, result.out);
    read_text(err, result.err);
    return &result;
}

const program_result *program_run_well(fixture *f, const char *line)
{
    const program_result *r = program_run(f, line);
    if (r->code != 0) fail_msg("%s\n  %d: %s%s", line, r->code, r->out, r->err);
    return r;
}

void check_program(fixture *f, const char *before, const program_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char line[1024];
        snprintf(line, sizeof line, "%s%s", before, cases[i].line);
        const program_result *r = program_run(f, line);
        bool said = strstr(r->out, cases[i].words) || (r->code && strstr(r->err, cases[i].words));
        if (r->code == cases[i].code && said) continue;
        fail_msg("%s\n  expected %d ...%s...\n  received %d %s%s", line, cases[i].code,
                 cases[i].words, r->code, r->out, r->err);
    }
}
