/* Events for TensorBoard. Field numbers are those of tensorflow/core/util/event.proto,
 * framework/{summary,graph,node_def,attr_value,tensor_shape,tensor}.proto and
 * tensorboard/plugins/hparams/{api,plugin_data}.proto. */
#define _GNU_SOURCE /* gethostname */
#include "fathom/event_file.h"
#include "io/wire.h"
#include "base/element.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct fm_event_file {
    fm_context *context;
    FILE *stream;
    char *path;
    fm_status status; /* the first failure */
};

/* ---- records --------------------------------------------------------------------------------- */

static double wall_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* A failed allocation, or a stream that cannot be written to, ends the file. */
static fm_status keep_status(fm_event_file *file, fm_status status)
{
    if (file->status == FM_OK && status != FM_OK) file->status = status;
    return file->status;
}

static fm_status write_record(fm_event_file *file, fm_text *event)
{
    fm_text frame = FM_TEXT(file->context);
    fm_wire_fixed(&frame, event->size, 8);
    if (frame.bytes) fm_wire_fixed(&frame, fm_masked_crc32c(frame.bytes, 8), 4);
    fm_text_add_bytes(&frame, event->bytes, event->size);
    fm_wire_fixed(&frame, fm_masked_crc32c(fm_text_string(event), event->size), 4);
    fm_status status = fm_text_status(event);
    if (status == FM_OK) status = fm_text_status(&frame);
    if (status == FM_OK && fwrite(frame.bytes, 1, frame.size, file->stream) != frame.size) {
        status = fm_fail_system(file->context, file->path, "write");
    }
    fm_text_release(&frame);
    fm_text_release(event);
    return keep_status(file, status);
}

enum { EVENT_TIME = 1, EVENT_STEP, EVENT_VERSION, EVENT_GRAPH, EVENT_SUMMARY, EVENT_SESSION = 7 };

static fm_text new_event(const fm_event_file *file, int64_t step)
{
    fm_text event = FM_TEXT(file->context);
    fm_wire_double(&event, EVENT_TIME, wall_time());
    if (step != 0) fm_wire_int(&event, EVENT_STEP, step);
    return event;
}

/* ---- files ----------------------------------------------------------------------------------- */

enum { ATTEMPTS = 1000 };

/* The folder and those above it. */
static fm_status make_folders(fm_context *context, const char *folder)
{
    char *path = fm_copy_string(context, folder);
    fm_status status = path ? FM_OK : FM_ERROR_MEMORY;
    for (char *slash = path; path && status == FM_OK && slash;) {
        slash = strchr(slash + 1, '/');
        if (slash) *slash = '\0';
        if (*path && mkdir(path, 0777) != 0 && errno != EEXIST) {
            status = fm_fail_system(context, path, "create");
        }
        if (slash) *slash = '/';
    }
    fm_release(context, path);
    return status;
}

static fm_status create(fm_event_file *file, const char *folder)
{
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0 || !*host) strcpy(host, "localhost");
    for (char *c = host; *c; c++) {
        if (*c == '/') *c = '_';
    }
    for (int number = 0; number < ATTEMPTS; number++) {
        fm_text name = FM_TEXT(file->context);
        fm_text_add(&name, "%s/events.out.tfevents.%010lld.%s.%ld.%d", folder,
                    (long long)time(NULL), host, (long)getpid(), number);
        fm_release(file->context, file->path);
        file->path = name.bytes;
        if (fm_text_status(&name) != FM_OK) return FM_ERROR_MEMORY;
        int descriptor = open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor < 0 && errno == EEXIST) continue;
        if (descriptor < 0) break;
        file->stream = fdopen(descriptor, "wb");
        if (file->stream) return FM_OK;
        close(descriptor);
        return fm_fail(file->context, FM_ERROR_MEMORY, "%s: no stream could be made", file->path);
    }
    return fm_fail_system(file->context, file->path, "create");
}

fm_status fm_event_file_open(fm_context *context, const char *folder, fm_event_file **file)
{
    *file = NULL;
    fm_event_file *made = fm_allocate_zeroed(context, sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    made->context = context;
    fm_status status = make_folders(context, folder);
    if (status == FM_OK) status = create(made, folder);
    if (status == FM_OK) {
        fm_text event = new_event(made, 0);
        fm_wire_string(&event, EVENT_VERSION, "brain.Event:2");
        status = write_record(made, &event);
    }
    if (status == FM_OK) status = fm_event_file_flush(made);
    if (status != FM_OK) {
        (void)fm_event_file_close(made);
        return status;
    }
    *file = made;
    return FM_OK;
}

fm_status fm_event_file_flush(fm_event_file *file)
{
    if (file->status == FM_OK && fflush(file->stream) != 0) {
        file->status = fm_fail_system(file->context, file->path, "write");
    }
    return file->status;
}

fm_status fm_event_file_close(fm_event_file *file)
{
    if (!file) return FM_OK;
    fm_status status = file->status;
    if (file->stream && fclose(file->stream) != 0 && status == FM_OK) {
        status = fm_fail_system(file->context, file->path, "write");
    }
    fm_release(file->context, file->path);
    fm_release(file->context, file);
    return status;
}

const char *fm_event_file_path(const fm_event_file *file)
{
    return file->path;
}

fm_status fm_event_restart(fm_event_file *file, int64_t step)
{
    enum { STATUS = 1, START = 1 };
    fm_text event = new_event(file, step), session = FM_TEXT(file->context);
    fm_wire_int(&session, STATUS, START);
    fm_wire_message(&event, EVENT_SESSION, &session);
    return write_record(file, &event);
}

/* ---- summaries ------------------------------------------------------------------------------- */

enum {
    VALUE_TAG = 1,
    VALUE_SCALAR = 2,
    VALUE_IMAGE = 4,
    VALUE_HISTOGRAM = 5,
    VALUE_TENSOR = 8,
    VALUE_METADATA = 9
};

static fm_text new_value(const fm_event_file *file, const char *tag)
{
    fm_text value = FM_TEXT(file->context);
    fm_wire_string(&value, VALUE_TAG, tag);
    return value;
}

static fm_status write_value(fm_event_file *file, int64_t step, fm_text *value)
{
    fm_text event = new_event(file, step), summary = FM_TEXT(file->context);
    fm_wire_message(&summary, 1, value);
    fm_wire_message(&event, EVENT_SUMMARY, &summary);
    return write_record(file, &event);
}

fm_status fm_event_scalar(fm_event_file *file, const char *tag, int64_t step, double number)
{
    fm_text value = new_value(file, tag);
    fm_wire_float(&value, VALUE_SCALAR, (float)number);
    return write_value(file, step, &value);
}

fm_status fm_event_image(fm_event_file *file, const char *tag, int64_t step, int64_t height,
                         int64_t width, int64_t channels, const uint8_t *pixels)
{
    enum { HEIGHT = 1, WIDTH, COLORSPACE, ENCODED };
    fm_text value = new_value(file, tag), image = FM_TEXT(file->context),
            png = FM_TEXT(file->context);
    fm_wire_int(&image, HEIGHT, height);
    fm_wire_int(&image, WIDTH, width);
    fm_wire_int(&image, COLORSPACE, channels);
    fm_status status = fm_png_bytes(file->context, height, width, channels, pixels, &png);
    fm_wire_message(&image, ENCODED, &png);
    fm_wire_message(&value, VALUE_IMAGE, &image);
    if (status == FM_OK) return write_value(file, step, &value);
    fm_text_release(&value);
    return keep_status(file, status);
}

/* What makes TensorBoard give a value to one of its plugins. */
static void add_metadata(fm_text *value, const char *plugin, fm_text *content)
{
    fm_text metadata = FM_TEXT(value->context), data = FM_TEXT(value->context);
    fm_wire_string(&data, 1, plugin);
    if (content) fm_wire_message(&data, 2, content);
    fm_wire_message(&metadata, 1, &data);
    fm_wire_message(value, VALUE_METADATA, &metadata);
}

fm_status fm_event_text(fm_event_file *file, const char *tag, int64_t step, const char *text)
{
    enum { TYPE = 1, SHAPE = 2, STRINGS = 8, DT_STRING = 7 };
    fm_text value = new_value(file, tag), tensor = FM_TEXT(file->context),
            shape = FM_TEXT(file->context), dimension = FM_TEXT(file->context);
    fm_wire_int(&tensor, TYPE, DT_STRING);
    fm_wire_int(&dimension, 1, 1);
    fm_wire_message(&shape, 2, &dimension);
    fm_wire_message(&tensor, SHAPE, &shape);
    fm_wire_string(&tensor, STRINGS, text);
    fm_wire_message(&value, VALUE_TENSOR, &tensor);
    add_metadata(&value, "text", NULL);
    return write_value(file, step, &value);
}

/* ---- histograms ------------------------------------------------------------------------------ */

enum { BUCKETS = 30 };

typedef struct histogram {
    double least, largest, count, sum, squares;
    double counts[BUCKETS], limits[BUCKETS];
    size_t buckets;
} histogram;

/* All equal: one bucket around the value. */
static void set_limits(histogram *h)
{
    double width = (h->largest - h->least) / BUCKETS;
    bool spread = h->largest > h->least && isfinite(width) && width > 0;
    h->buckets = h->count == 0 ? 0 : spread ? BUCKETS : 1;
    for (size_t i = 0; i + 1 < h->buckets; i++) h->limits[i] = h->least + (double)(i + 1) * width;
    if (h->buckets > 0) h->limits[h->buckets - 1] = spread ? h->largest : h->largest + 0.5;
}

static void make_histogram(fm_dtype dtype, const void *elements, int64_t count, histogram *h)
{
    *h = (histogram){.least = DBL_MAX, .largest = -DBL_MAX};
    for (int64_t i = 0; i < count; i++) {
        double x = fm_element(elements, dtype, (size_t)i);
        if (!isfinite(x)) continue;
        h->least = fmin(h->least, x);
        h->largest = fmax(h->largest, x);
        h->count++;
        h->sum += x;
        h->squares += x * x;
    }
    if (h->count == 0) h->least = h->largest = 0;
    set_limits(h);
    bool spread = h->buckets > 1; /* else the range may have overflowed */
    double scale = spread ? BUCKETS / (h->largest - h->least) : 0;
    for (int64_t i = 0; i < count; i++) {
        double x = fm_element(elements, dtype, (size_t)i);
        if (!isfinite(x)) continue;
        size_t bucket = spread ? (size_t)((x - h->least) * scale) : 0;
        h->counts[bucket < h->buckets ? bucket : h->buckets - 1]++;
    }
}

fm_status fm_event_histogram(fm_event_file *file, const char *tag, int64_t step, fm_dtype dtype,
                             const void *elements, int64_t count)
{
    enum { LEAST = 1, LARGEST, COUNT, SUM, SQUARES, LIMITS, COUNTS };
    histogram h;
    make_histogram(dtype, elements, count, &h);
    fm_text value = new_value(file, tag), message = FM_TEXT(file->context);
    fm_wire_double(&message, LEAST, h.least);
    fm_wire_double(&message, LARGEST, h.largest);
    fm_wire_double(&message, COUNT, h.count);
    fm_wire_double(&message, SUM, h.sum);
    fm_wire_double(&message, SQUARES, h.squares);
    fm_wire_doubles(&message, LIMITS, h.limits, h.buckets);
    fm_wire_doubles(&message, COUNTS, h.counts, h.buckets);
    fm_wire_message(&value, VALUE_HISTOGRAM, &message);
    return write_value(file, step, &value);
}

/* ---- graphs ---------------------------------------------------------------------------------- */

/* "_output_shapes": a list of one shape; "attributes": words. */
static void add_attribute(fm_text *node, const char *name, fm_text *value)
{
    enum { ATTRIBUTES = 5 };
    fm_text entry = FM_TEXT(node->context);
    fm_wire_string(&entry, 1, name);
    fm_wire_message(&entry, 2, value);
    fm_wire_message(node, ATTRIBUTES, &entry);
}

static void add_shape(fm_text *node, fm_shape dims)
{
    enum { VALUE_LIST = 1, LIST_SHAPE = 7, DIM = 2 };
    fm_text shape = FM_TEXT(node->context), list = FM_TEXT(node->context),
            value = FM_TEXT(node->context);
    for (int i = 0; i < dims.rank; i++) {
        fm_text dimension = FM_TEXT(node->context);
        fm_wire_int(&dimension, 1, dims.dims[i]);
        fm_wire_message(&shape, DIM, &dimension);
    }
    fm_wire_message(&list, LIST_SHAPE, &shape);
    fm_wire_message(&value, VALUE_LIST, &list);
    add_attribute(node, "_output_shapes", &value);
}

/* TensorFlow's DataType. */
static const int data_types[FM_DTYPE_COUNT] = {
    [FM_F32] = 1, [FM_F64] = 2, [FM_I32] = 3, [FM_I64] = 9, [FM_U8] = 4, [FM_BOOL] = 10,
};

static void add_node(fm_text *graph, const fm_event_node *node)
{
    enum { NODE = 1, NAME = 1, OP, INPUT, VALUE_STRING = 2, VALUE_TYPE = 6 };
    fm_text message = FM_TEXT(graph->context), type = FM_TEXT(graph->context);
    fm_wire_string(&message, NAME, node->name);
    fm_wire_string(&message, OP, node->op);
    for (int i = 0; i < node->input_count; i++) fm_wire_string(&message, INPUT, node->inputs[i]);
    add_shape(&message, node->shape);
    if (node->note) {
        fm_text note = FM_TEXT(graph->context);
        fm_wire_string(&note, VALUE_STRING, node->note);
        add_attribute(&message, "attributes", &note);
    }
    fm_wire_int(&type, VALUE_TYPE, data_types[node->dtype]);
    add_attribute(&message, "dtype", &type);
    fm_wire_message(graph, NODE, &message);
}

fm_status fm_event_graph(fm_event_file *file, const fm_event_node *nodes, int64_t count)
{
    enum { VERSIONS = 4, PRODUCER = 1, NEW_ENOUGH = 22 };
    fm_text event = new_event(file, 0), graph = FM_TEXT(file->context),
            versions = FM_TEXT(file->context);
    for (int64_t i = 0; i < count; i++) add_node(&graph, &nodes[i]);
    fm_wire_int(&versions, PRODUCER, NEW_ENOUGH);
    fm_wire_message(&graph, VERSIONS, &versions);
    fm_wire_message(&event, EVENT_GRAPH, &graph);
    return write_record(file, &event);
}

/* ---- hyper-parameters ------------------------------------------------------------------------ */

enum { PLUGIN_EXPERIMENT = 2, PLUGIN_START, PLUGIN_END };

/* A value of the plugin, which holds nothing but what its metadata say. */
static fm_status write_plugin(fm_event_file *file, const char *tag, int field, fm_text *content)
{
    fm_text value = new_value(file, tag), data = FM_TEXT(file->context);
    fm_wire_message(&data, field, content);
    add_metadata(&value, "hparams", &data);
    return write_value(file, 0, &value);
}

/* google.protobuf.Value */
static fm_text value_of(fm_context *context, const fm_event_parameter *parameter)
{
    enum { NUMBER = 2, STRING = 3 };
    fm_text value = FM_TEXT(context);
    if (parameter->text) {
        fm_wire_string(&value, STRING, parameter->text);
    } else {
        fm_wire_double(&value, NUMBER, parameter->number);
    }
    return value;
}

static fm_status write_experiment(fm_event_file *file, const fm_event_parameter *parameters,
                                  int count, const char *const *tags, int tag_count)
{
    enum { PARAMETERS = 4, METRICS = 5, NAME = 1, TYPE = 4, TAG = 2, STRING = 1, FLOAT = 3 };
    fm_text experiment = FM_TEXT(file->context);
    for (int i = 0; i < count; i++) {
        fm_text info = FM_TEXT(file->context);
        fm_wire_string(&info, NAME, parameters[i].name);
        fm_wire_int(&info, TYPE, parameters[i].text ? STRING : FLOAT);
        fm_wire_message(&experiment, PARAMETERS, &info);
    }
    for (int i = 0; i < tag_count; i++) {
        fm_text info = FM_TEXT(file->context), name = FM_TEXT(file->context);
        fm_wire_string(&name, TAG, tags[i]);
        fm_wire_message(&info, 1, &name);
        fm_wire_message(&experiment, METRICS, &info);
    }
    return write_plugin(file, "_hparams_/experiment", PLUGIN_EXPERIMENT, &experiment);
}

fm_status fm_event_parameters(fm_event_file *file, const fm_event_parameter *parameters, int count,
                              const char *const *metric_tags, int metric_count)
{
    enum { PARAMETERS = 1, BEGAN = 5 };
    fm_status status = write_experiment(file, parameters, count, metric_tags, metric_count);
    if (status != FM_OK) return status;
    fm_text start = FM_TEXT(file->context);
    for (int i = 0; i < count; i++) {
        fm_text entry = FM_TEXT(file->context), value = value_of(file->context, &parameters[i]);
        fm_wire_string(&entry, 1, parameters[i].name);
        fm_wire_message(&entry, 2, &value);
        fm_wire_message(&start, PARAMETERS, &entry);
    }
    fm_wire_double(&start, BEGAN, wall_time());
    return write_plugin(file, "_hparams_/session_start_info", PLUGIN_START, &start);
}

fm_status fm_event_parameters_end(fm_event_file *file)
{
    enum { STATUS = 1, ENDED = 2, SUCCESS = 1 };
    fm_text end = FM_TEXT(file->context);
    fm_wire_int(&end, STATUS, SUCCESS);
    fm_wire_double(&end, ENDED, wall_time());
    return write_plugin(file, "_hparams_/session_end_info", PLUGIN_END, &end);
}
