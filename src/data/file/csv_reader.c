#include "data/file/csv_reader.h"
#include "base/memory.h"
#include "base/plain_numbers.h"
#include "base/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

fm_status fm_csv_fail(const fm_csv_reader *reader, const fm_csv_cell *cell, fm_status status,
                      const char *format, ...)
{
    char words[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    return fm_fail(reader->context, status, "%s:%lld:%lld: %s", reader->name, (long long)cell->line,
                   (long long)cell->column, words);
}

void fm_csv_rewind(fm_csv_reader *reader)
{
    reader->at = reader->line_start = reader->begin;
    reader->line = 1;
    reader->count = 0;
}

fm_status fm_csv_open(fm_csv_reader *reader, fm_context *context, const char *name,
                      const char *bytes, size_t size)
{
    const char *begin = bytes, *zero = size ? memchr(bytes, 0, size) : NULL;
    fm_utf8_skip_mark(&begin, &size);
    *reader = (fm_csv_reader){
        .context = context, .name = name, .begin = begin, .end = begin + size, .separator = ','};
    fm_csv_rewind(reader);
    if (!zero) return FM_OK;
    return fm_fail(context, FM_ERROR_FORMAT,
                   "%s: byte %lld is zero: this is no CSV text (UTF-8 is expected)", name,
                   (long long)(zero - bytes) + 1);
}

void fm_csv_close(fm_csv_reader *reader)
{
    fm_release(reader->context, reader->cells);
    reader->cells = NULL;
}

char fm_csv_guess_separator(const fm_csv_reader *reader)
{
    static const char candidates[] = "\t;, ";
    size_t found[4] = {0};
    bool quoted = false;
    const char *at = reader->begin;
    while (at < reader->end && (*at == '\n' || *at == '\r')) at++; /* blank lines */
    for (; at < reader->end && (quoted || (*at != '\n' && *at != '\r')); at++) {
        if (*at == '"') quoted = !quoted;
        const char *candidate = strchr(candidates, *at);
        if (!quoted && candidate) found[candidate - candidates]++;
    }
    int best = 2; /* a comma when there is nothing to tell */
    for (int i = 0; i < 3; i++) {
        if (found[i] > found[best]) best = i;
    }
    return found[best] == 0 && found[3] > 0 ? ' ' : candidates[best];
}

/* ---- Cells ---- */

static bool at_line_end(const fm_csv_reader *reader)
{
    return reader->at == reader->end || *reader->at == '\n' || *reader->at == '\r';
}

/* LF, CR LF or CR */
static void skip_line_end(fm_csv_reader *reader)
{
    if (reader->at == reader->end) return;
    bool pair = *reader->at == '\r' && reader->at + 1 < reader->end && reader->at[1] == '\n';
    reader->at += pair ? 2 : 1;
    reader->line++;
    reader->line_start = reader->at;
}

static void skip_spaces(fm_csv_reader *reader)
{
    while (reader->at < reader->end &&
           (*reader->at == ' ' || (*reader->at == '\t' && reader->separator != '\t'))) {
        reader->at++;
    }
}

static fm_csv_cell cell_here(const fm_csv_reader *reader)
{
    return (fm_csv_cell){
        .text = reader->at, .line = reader->line, .column = reader->at - reader->line_start + 1};
}

/* The last byte of a line's end: LF, or a CR without one. */
static bool ends_line(const fm_csv_reader *reader, const char *at)
{
    bool pair = at + 1 < reader->end && at[1] == '\n';
    return *at == '\n' || (*at == '\r' && !pair);
}

static fm_status read_quoted(fm_csv_reader *reader, fm_csv_cell *cell)
{
    const char *start = reader->at;
    for (reader->at++;; reader->at++) {
        if (reader->at == reader->end || (size_t)(reader->at - start) > reader->max_record) {
            return fm_csv_fail(
                reader, cell, FM_ERROR_FORMAT, "a quote is opened here and not closed%s",
                reader->at == reader->end ? "" : " within the longest line accepted");
        }
        if (*reader->at == '"') {
            if (reader->at + 1 == reader->end || reader->at[1] != '"') break;
            cell->doubled = true;
            reader->at++;
        } else if (ends_line(reader, reader->at)) {
            reader->line++;
            reader->line_start = reader->at + 1;
        }
    }
    cell->text = start + 1;
    cell->size = (size_t)(reader->at - start) - 1;
    reader->at++;
    skip_spaces(reader);
    if (at_line_end(reader) || *reader->at == reader->separator) return FM_OK;
    if (reader->separator == ' ' && reader->at[-1] == ' ') return FM_OK;
    fm_csv_cell here = cell_here(reader);
    return fm_csv_fail(
        reader, &here, FM_ERROR_FORMAT,
        "'%c' after a closing quote; a separator or the end of the line was expected "
        "(a quote within a quoted cell is written twice)",
        *reader->at);
}

static void read_plain(fm_csv_reader *reader, fm_csv_cell *cell)
{
    const char *at = reader->at;
    while (at < reader->end && *at != reader->separator && *at != '\n' && *at != '\r') at++;
    const char *last = at;
    while (last > cell->text && (last[-1] == ' ' || last[-1] == '\t')) last--;
    cell->size = (size_t)(last - cell->text);
    reader->at = at;
}

static fm_status add_cell(fm_csv_reader *reader, const fm_csv_cell *cell)
{
    if (reader->count == reader->max_columns) {
        return fm_csv_fail(reader, cell, FM_ERROR_LIMIT, "more than %zu columns",
                           reader->max_columns);
    }
    fm_status status = fm_grow(reader->context, &reader->cells, &reader->capacity,
                               reader->count + 1, sizeof *reader->cells);
    if (status == FM_OK) reader->cells[reader->count++] = *cell;
    return status;
}

/* true: a separator was skipped, another cell follows. */
static bool skip_separator(fm_csv_reader *reader)
{
    if (reader->separator == ' ') {
        skip_spaces(reader);
        return !at_line_end(reader);
    }
    if (at_line_end(reader)) return false;
    reader->at++;
    return true;
}

static fm_status read_record(fm_csv_reader *reader)
{
    const char *start = reader->at;
    do {
        skip_spaces(reader);
        fm_csv_cell cell = cell_here(reader);
        fm_status status = FM_OK;
        if (!reader->plain && reader->at < reader->end && *reader->at == '"') {
            status = read_quoted(reader, &cell);
        } else {
            read_plain(reader, &cell);
        }
        if (status == FM_OK) status = add_cell(reader, &cell);
        if (status != FM_OK) return status;
        if ((size_t)(reader->at - start) > reader->max_record) {
            return fm_csv_fail(reader, &cell, FM_ERROR_LIMIT, "a line of more than %zu bytes",
                               reader->max_record);
        }
    } while (skip_separator(reader));
    return FM_OK;
}

fm_status fm_csv_next(fm_csv_reader *reader)
{
    reader->count = 0;
    while (reader->at < reader->end) {
        skip_spaces(reader);
        if (at_line_end(reader)) {
            skip_line_end(reader);
            continue;
        }
        fm_status status = read_record(reader);
        if (status == FM_OK) skip_line_end(reader);
        return status;
    }
    return FM_OK;
}

/* ---- What a cell says ---- */

fm_status fm_csv_text(const fm_csv_cell *cell, fm_text *text)
{
    fm_text_clear(text);
    if (!cell->doubled) {
        fm_text_add_bytes(text, cell->text, cell->size);
        return fm_text_status(text);
    }
    for (size_t i = 0; i < cell->size; i++) {
        fm_text_add_bytes(text, &cell->text[i], 1);
        if (cell->text[i] == '"') i++;
    }
    return fm_text_status(text);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Checks the grammar [+-] digits [. digits] [e [+-] digits] and collects what it reads. */
typedef struct decimal {
    bool negative, exact; /* exact: every digit is in `digits` */
    uint64_t digits;
    int64_t exponent;
} decimal;

static const char *take_digits(const char *at, const char *end, decimal *d, int per_digit)
{
    for (; at < end && is_digit(*at); at++) {
        if (d->digits < (UINT64_MAX - 9) / 10) {
            d->digits = d->digits * 10 + (uint64_t)(*at - '0');
            d->exponent += per_digit;
        } else {
            d->exact = false;
        }
    }
    return at;
}

static bool scan_decimal(const char *at, const char *end, decimal *d)
{
    *d = (decimal){.exact = true};
    if (at < end && (*at == '+' || *at == '-')) d->negative = *at++ == '-';
    const char *start = at;
    at = take_digits(at, end, d, 0);
    int64_t count = at - start;
    if (at < end && *at == '.') {
        start = ++at;
        at = take_digits(at, end, d, -1);
        count += at - start;
    }
    if (count == 0) return false;
    if (at == end || (*at != 'e' && *at != 'E')) return at == end;
    bool negative = false;
    int64_t exponent = 0;
    if (++at < end && (*at == '+' || *at == '-')) negative = *at++ == '-';
    if (at == end) return false;
    for (; at < end && is_digit(*at); at++) {
        if (exponent < 100000) exponent = exponent * 10 + (*at - '0');
    }
    d->exponent += negative ? -exponent : exponent;
    return at == end;
}

/* Exact when digits and power of ten both are doubles (W. Clinger, "How to read floating point
 * numbers accurately", 1990); else the C library rounds. */
bool fm_csv_number(const fm_csv_cell *cell, double *value)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    decimal d;
    if (!scan_decimal(cell->text, cell->text + cell->size, &d)) return false;
    if (d.exact && d.digits <= (uint64_t)1 << 53 && d.exponent >= -22 && d.exponent <= 22) {
        double digits = (double)d.digits;
        *value = d.exponent < 0 ? digits / powers[-d.exponent] : digits * powers[d.exponent];
        if (d.negative) *value = -*value;
        return true;
    }
    char copy[512];
    if (cell->size >= sizeof copy) return false;
    memcpy(copy, cell->text, cell->size);
    copy[cell->size] = '\0';
    const char *end;
    return fm_plain_number(copy, &end, value) && isfinite(*value);
}
