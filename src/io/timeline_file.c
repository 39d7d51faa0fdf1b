/* Google: Trace Event Format (2016), "JSON object format": "X" is a complete event (a span), "i" an
 * instant one, "C" a counter, "M" metadata; ts and dur are microseconds. */
#include "io/timeline_file.h"
#include "base/file.h"

enum { PROCESS = 1, CHUNK = 1 << 16 };

typedef struct output {
    const fm_timeline_record *record;
    fm_file_writer writer;
    fm_text text; /* not written yet */
    fm_status status;
} output;

static void flush(output *o)
{
    if (o->status == FM_OK) o->status = fm_text_status(&o->text);
    if (o->status == FM_OK) fwrite(o->text.bytes, 1, o->text.size, o->writer.stream);
    fm_text_clear(&o->text);
}

static void add_quoted(fm_text *text, const char *words)
{
    fm_text_add(text, "\"");
    for (const char *c = words; *c; c++) {
        if (*c == '"' || *c == '\\') {
            fm_text_add(text, "\\%c", *c);
        } else if ((unsigned char)*c < ' ') {
            fm_text_add(text, "\\u%04x", (unsigned)*c);
        } else {
            fm_text_add_bytes(text, c, 1);
        }
    }
    fm_text_add(text, "\"");
}

static void add_name(output *o, const char *what, int lane, const char *name)
{
    fm_text_add(&o->text,
                "{\"ph\":\"M\",\"pid\":%d,\"tid\":%d,\"name\":\"%s\",\"args\":{\"name\":", PROCESS,
                lane, what);
    add_quoted(&o->text, name);
    fm_text_add(&o->text, "}},\n");
}

static void add_lanes(output *o)
{
    char name[64];
    add_name(o, "process_name", FM_TRAINING_LANE, "fathom");
    for (int i = 0; i < o->record->lane_count; i++) {
        const fm_lane *lane = &o->record->lanes[i];
        snprintf(name, sizeof name, "%s data, worker %d", lane->of ? lane->of : "", lane->worker);
        add_name(o, "thread_name", i, lane->of ? name : "training");
        fm_text_add(&o->text,
                    "{\"ph\":\"M\",\"pid\":%d,\"tid\":%d,\"name\":\"thread_sort_index\","
                    "\"args\":{\"sort_index\":%d}},\n",
                    PROCESS, i, i);
    }
}

/* What a batch's time went to; collating is what is left of it. */
static void add_parts(fm_text *text, const fm_timeline_event *e)
{
    double rest = e->seconds;
    fm_text_add(text, ",\"samples\":%lld", (long long)e->samples);
    for (int i = 0; i < FM_BATCH_PARTS; i++) {
        rest -= (double)e->parts[i];
        if (e->parts[i] == 0) continue;
        fm_text_add(text, ",\"%s_ms\":%.3f", fm_batch_part_names[i], 1e3 * (double)e->parts[i]);
    }
    fm_text_add(text, ",\"collate_ms\":%.3f", rest > 0 ? 1e3 * rest : 0.0);
}

static void add_arguments(fm_text *text, const fm_timeline_event *e)
{
    const char *between = "";
    if (e->epoch >= 0) {
        fm_text_add(text, "\"epoch\":%lld", (long long)e->epoch + 1);
        between = ",";
    }
    if (e->batch >= 0) {
        fm_text_add(text, "%s\"batch\":%lld", between, (long long)e->batch + 1);
        between = ",";
    }
    if (e->detail && *e->detail) {
        fm_text_add(text, "%s\"of\":", between);
        add_quoted(text, e->detail);
    }
    if (e->samples > 0) add_parts(text, e);
}

static void add_event(output *o, const fm_timeline_event *e)
{
    static const char phases[] = {
        [FM_TIMELINE_SPAN] = 'X', [FM_TIMELINE_MARK] = 'i', [FM_TIMELINE_COUNT] = 'C'};
    fm_text *text = &o->text;
    fm_text_add(text, "{\"ph\":\"%c\",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,\"name\":", phases[e->kind],
                PROCESS, e->lane, 1e6 * (e->began - o->record->began));
    add_quoted(text, e->name);
    if (e->kind == FM_TIMELINE_SPAN) fm_text_add(text, ",\"dur\":%.3f", 1e6 * e->seconds);
    if (e->kind == FM_TIMELINE_MARK) fm_text_add(text, ",\"s\":\"g\"");
    fm_text_add(text, ",\"args\":{");
    if (e->kind == FM_TIMELINE_COUNT) {
        fm_text_add(text, "\"ready\":%lld", (long long)e->batch);
    } else {
        add_arguments(text, e);
    }
    fm_text_add(text, "}}");
}

static void add_all(output *o)
{
    const fm_timeline_record *record = o->record;
    fm_text_add(&o->text, "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"events_left_out\":%zu},\n",
                record->left_out);
    fm_text_add(&o->text, "\"traceEvents\":[\n");
    add_lanes(o);
    for (size_t i = 0; i < record->count; i++) {
        if (i > 0) fm_text_add(&o->text, ",\n");
        add_event(o, &record->events[i]);
        if (o->text.size >= CHUNK) flush(o);
    }
    fm_text_add(&o->text, "\n]}\n");
    flush(o);
}

fm_status fm_timeline_write(fm_context *context, const fm_timeline *timeline, const char *path)
{
    const fm_timeline_record record = fm_timeline_look(timeline);
    output o = {.record = &record, .text = FM_TEXT(context)};
    fm_status status = fm_file_writer_open(context, path, &o.writer);
    if (status != FM_OK) return status;
    add_all(&o);
    if (o.status == FM_OK) {
        o.status = fm_file_writer_commit(&o.writer);
    } else {
        fm_file_writer_abandon(&o.writer);
    }
    fm_text_release(&o.text);
    return o.status;
}
