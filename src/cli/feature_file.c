#include "cli/feature_file.h"
#include "base/csv_text.h"
#include "base/file.h"

#include <string.h>

static bool ends_with(const char *path, const char *end)
{
    size_t size = strlen(path), tail = strlen(end);
    return size >= tail && strcmp(path + size - tail, end) == 0;
}

fm_status feature_file_check(fm_context *context, const char *path)
{
    if (ends_with(path, ".npy") || ends_with(path, ".csv")) return FM_OK;
    return fm_fail(context, FM_ERROR_ARGUMENT,
                   "--features %s: what shall it be? Names end with .npy or .csv", path);
}

/* Format version 1.0: the data begins at a multiple of 64 bytes. */
static void put_npy(const feature_file *file, FILE *stream)
{
    enum { ALIGNMENT = 64, PREFIX = 10 };
    const char order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '<' : '>';
    char words[2 * ALIGNMENT];
    int used = snprintf(words, sizeof words,
                        "{'descr': '%cf4', 'fortran_order': False, 'shape': (%lld, %lld), }", order,
                        (long long)file->samples, (long long)file->width);
    int size = (PREFIX + used + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT - PREFIX;
    const unsigned char head[PREFIX] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)size, (unsigned char)(size >> 8)};
    fwrite(head, 1, sizeof head, stream);
    fprintf(stream, "%-*s\n", size - 1, words);
    for (int64_t i = 0; i < file->samples * file->width; i++) {
        float number = (float)file->features[i];
        fwrite(&number, sizeof number, 1, stream);
    }
}

/* A line that had no memory stays as it is: its failure is told at the end. */
static void put_text(fm_text *line, FILE *stream)
{
    if (line->failed) return;
    fwrite(fm_text_string(line), 1, line->size, stream);
    fm_text_clear(line);
}

static void put_csv(const feature_file *file, fm_text *line, FILE *stream)
{
    char name[256];
    fm_text_add(line, "sample%s%s", file->labels ? ",class" : "", file->places ? ",x,y" : "");
    for (int64_t k = 0; k < file->width; k++) {
        snprintf(name, sizeof name, "%.200s_%lld", file->layer, (long long)k);
        fm_text_add(line, ",");
        fm_csv_add_cell(line, name);
    }
    fm_text_add(line, "\n");
    put_text(line, stream);
    for (int64_t i = 0; i < file->samples; i++) {
        fm_text_add(line, "%u", file->numbers ? file->numbers[i] : (unsigned)i);
        if (file->labels) {
            fm_text_add(line, ",");
            if (file->labels[i] >= 0) fm_csv_add_cell(line, file->names[file->labels[i]]);
        }
        if (file->places) {
            fm_text_add(line, ",%.9g,%.9g", file->places[2 * i], file->places[2 * i + 1]);
        }
        for (int64_t k = 0; k < file->width; k++) {
            fm_text_add(line, ",%.9g", file->features[i * file->width + k]);
        }
        fm_text_add(line, "\n");
        put_text(line, stream);
    }
}

fm_status feature_file_write(fm_context *context, const feature_file *file, const char *path)
{
    fm_file_writer writer;
    fm_text line = FM_TEXT(context);
    fm_status status = fm_file_writer_open(context, path, &writer);
    if (status != FM_OK) return status;
    if (ends_with(path, ".npy")) {
        put_npy(file, writer.stream);
    } else {
        put_csv(file, &line, writer.stream);
    }
    status = fm_text_status(&line);
    if (status == FM_OK) {
        status = fm_file_writer_commit(&writer);
    } else {
        fm_file_writer_abandon(&writer);
    }
    fm_text_release(&line);
    return status;
}
