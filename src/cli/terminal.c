#include "cli/terminal.h"
#include "base/byte_size.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

static bool says_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    static const char *const spellings[] = {"UTF-8", "utf-8", "UTF8", "utf8"};
    for (int i = 0; i < 3; i++) {
        const char *value = variable(names[i]);
        if (!*value) continue;
        for (int j = 0; j < 4; j++) {
            if (strstr(value, spellings[j])) return true;
        }
        return false;
    }
    return false;
}

terminal terminal_of(FILE *stream)
{
    bool screen = isatty(fileno(stream)) && strcmp(variable("TERM"), "dumb") != 0;
    return (terminal){
        .stream = stream,
        .live = screen,
        .colour = screen && !*variable("NO_COLOR"),
        .utf8 = says_utf8(),
    };
}

int terminal_width(const terminal *t)
{
    struct winsize window = {0};
    int width = atoi(variable("COLUMNS"));
    if (width <= 0 && ioctl(fileno(t->stream), TIOCGWINSZ, &window) == 0) width = window.ws_col;
    return width > 0 ? width : 80;
}

int terminal_text_width(const terminal *t)
{
    int width = terminal_width(t) - 1;
    return width < 60 ? 60 : width > 99 ? 99 : width;
}

void terminal_wrap(FILE *stream, const char *words, int indent, int at, int width)
{
    if (at > 0 && at >= indent) {
        fputc('\n', stream);
        at = 0;
    }
    fprintf(stream, "%*s", indent - at, "");
    at = indent;
    while (*words) {
        int size = (int)strcspn(words, " ");
        if (at > indent && at + 1 + size > width) {
            fprintf(stream, "\n%*s", indent, "");
            at = indent;
        } else if (at > indent) {
            fputc(' ', stream);
            at++;
        }
        fprintf(stream, "%.*s", size, words);
        at += size;
        words += size;
        words += strspn(words, " ");
    }
    fputc('\n', stream);
}

size_t terminal_character(FILE *stream, const char *bytes, size_t size)
{
    uint32_t code;
    size_t length = fm_utf8_next(bytes, size, &code);
    bool control = length > 0 && (code < ' ' || (code >= 0x7f && code < 0xa0));
    if (length > 0 && !control) {
        fwrite(bytes, 1, length, stream);
    } else {
        fputc(' ', stream);
    }
    return length > 0 ? length : 1;
}

void terminal_word(FILE *stream, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./=:,+@%-";
    if (*word && !word[strspn(word, plain)]) {
        fputs(word, stream);
        return;
    }
    fputc('\'', stream);
    for (; *word; word++) fprintf(stream, *word == '\'' ? "'\\''" : "%c", *word);
    fputc('\'', stream);
}

int terminal_columns(const char *text)
{
    int columns = 0;
    for (uint32_t code; *text; columns++) {
        size_t length = fm_utf8_next(text, strlen(text), &code);
        text += length > 0 ? length : 1;
    }
    return columns;
}

void terminal_cell(FILE *stream, const char *text, int width, bool right)
{
    int columns = terminal_columns(text), blanks = columns < width ? width - columns : 0;
    if (right) fprintf(stream, "%*s", blanks, "");
    for (int i = 0; i < columns && i < width; i++) {
        text += terminal_character(stream, text, strlen(text));
    }
    if (!right) fprintf(stream, "%*s", blanks, "");
}

const char *terminal_bold(const terminal *t)
{
    return t->colour ? "\033[1m" : "";
}

const char *terminal_dim(const terminal *t)
{
    return t->colour ? "\033[2m" : "";
}

const char *terminal_red(const terminal *t)
{
    return t->colour ? "\033[31m" : "";
}

const char *terminal_green(const terminal *t)
{
    return t->colour ? "\033[32m" : "";
}

const char *terminal_plain(const terminal *t)
{
    return t->colour ? "\033[0m" : "";
}

void terminal_draw(terminal *t, const char *text)
{
    if (!t->live) return;
    fprintf(t->stream, "\r\033[K%s", text);
    fflush(t->stream);
    t->drawn = true;
}

void terminal_wipe(terminal *t)
{
    if (!t->drawn) return;
    fprintf(t->stream, "\r\033[K");
    fflush(t->stream);
    t->drawn = false;
}

void terminal_bar(const terminal *t, double share, int width, char *buffer, size_t size)
{
    const char *full_cell = t->utf8 ? "\u2501" : "=", *empty_cell = t->utf8 ? "\u2500" : "-";
    int full = (int)(fmin(fmax(share, 0), 1) * width + 0.5);
    size_t at = (size_t)snprintf(buffer, size, "%s", terminal_green(t));
    for (int i = 0; i < width && at + 16 < size; i++) {
        const char *turn = i == full ? terminal_plain(t) : "";
        at += (size_t)snprintf(buffer + at, size - at, "%s%s", turn,
                               i < full ? full_cell : empty_cell);
    }
    snprintf(buffer + at, size - at, "%s", terminal_plain(t));
}

const char *show_count(double count, char buffer[32])
{
    char digits[32];
    int size = snprintf(digits, sizeof digits, "%.0f", count), at = 0;
    for (int i = 0; i < size && at < 30; i++) {
        if (i > 0 && (size - i) % 3 == 0 && digits[i - 1] != '-') buffer[at++] = ',';
        buffer[at++] = digits[i];
    }
    buffer[at] = '\0';
    return buffer;
}

const char *show_seconds(double seconds, char buffer[32])
{
    if (seconds < 0.00005) {
        snprintf(buffer, 32, "under 0.1 ms");
    } else if (seconds < 0.9995) {
        snprintf(buffer, 32, seconds < 0.00995 ? "%.1f ms" : "%.0f ms", seconds * 1e3);
    } else if (seconds < 9.95) {
        snprintf(buffer, 32, "%.1f s", seconds);
    } else if (seconds < 59.5) {
        snprintf(buffer, 32, "%.0f s", seconds);
    } else if (seconds < 3570) {
        snprintf(buffer, 32, "%d min %d s", (int)(seconds + 0.5) / 60, (int)(seconds + 0.5) % 60);
    } else {
        long minutes = (long)(seconds / 60 + 0.5);
        snprintf(buffer, 32, "%ld h %ld min", minutes / 60, minutes % 60);
    }
    return buffer;
}

const char *show_bytes(double bytes, char buffer[32])
{
    return fm_bytes_text(bytes, buffer);
}
