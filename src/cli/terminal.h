/* What the terminal can do, and the one line on it that is alive. */
#ifndef FM_CLI_TERMINAL_H
#define FM_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

/* live    a line may be drawn over: a terminal that moves its cursor
 * colour  neither NO_COLOR nor TERM=dumb speaks against it
 * utf8    LC_ALL, LC_CTYPE or LANG says so
 * drawn   the live line is there and must be wiped before other output */
typedef struct terminal {
    FILE *stream;
    bool live, colour, utf8;
    bool drawn;
} terminal;

terminal terminal_of(FILE *stream);
/* Columns now: the window's, else $COLUMNS, else 80. */
int terminal_width(const terminal *t);

/* For running text: the width, but from 60 to 99. */
int terminal_text_width(const terminal *t);
/* Words from column `indent` on, broken before `width`; the cursor is at column `at`.
 * Ends the line. */
void terminal_wrap(FILE *stream, const char *words, int indent, int at, int width);

/* Prints the character that begins at `bytes`, a blank in place of what would steer a terminal or
 * is no UTF-8; returns its bytes. */
size_t terminal_character(FILE *stream, const char *bytes, size_t size);

/* A word of a command line, in quotes where a shell needs them. */
void terminal_word(FILE *stream, const char *word);

/* Its characters; a name's width where each is a column wide. */
int terminal_columns(const char *text);
/* A name in `width` columns: cut behind a whole character, blanks in front when `right`, else
 * behind. */
void terminal_cell(FILE *stream, const char *text, int width, bool right);

/* Escape sequences, "" without colour. */
const char *terminal_bold(const terminal *t);
const char *terminal_dim(const terminal *t);
const char *terminal_red(const terminal *t);
const char *terminal_green(const terminal *t);
const char *terminal_plain(const terminal *t);

/* Draws over the live line. The text may hold escapes; it must fit the width. */
void terminal_draw(terminal *t, const char *text);
/* Wipes it, so that a lasting line can be printed. */
void terminal_wipe(terminal *t);

/* A bar of `width` columns, `share` of it full, into buffer (3 bytes a column, escapes, NUL). */
void terminal_bar(const terminal *t, double share, int width, char *buffer, size_t size);

/* "1,234,567" and "3.1 s", "2 min 5 s", "1 h 4 min"; into the buffer, which is returned. */
const char *show_count(double count, char buffer[32]);
const char *show_seconds(double seconds, char buffer[32]);
/* "812 B", "3.2 MiB" */
const char *show_bytes(double bytes, char buffer[32]);

#endif
