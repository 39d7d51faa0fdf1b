/* fathom/event_file.h: files of events that TensorBoard reads: scalars, histograms, images, texts,
 * a graph, hyper-parameters. fit writes them with fm_fit_options.tensorboard; with these functions
 * a loop of your own does.
 *
 *     fm_event_file_open(context, "runs/first", &file);
 *     for (...) fm_event_scalar(file, "loss", step, loss);
 *     fm_event_file_close(file);                     then: tensorboard --logdir runs
 *
 * Invariants
 *  - A file is a sequence of TFRecords (TensorFlow, core/lib/io/record_writer.h): length, its
 *    masked CRC32C, the bytes, their masked CRC32C; the bytes are the protocol buffers of
 *    event.proto and summary.proto. Little-endian whatever the machine is.
 *  - A tag is what TensorBoard groups by: "train/loss". Steps count what the caller likes.
 *  - Failures stick: the first one is kept, later calls return it, and flush and close tell it.
 *  - Built with FATHOM_FILES.
 *  - May be NULL: `note` and `text` where their structs say so.
 */
#ifndef FATHOM_EVENT_FILE_H
#define FATHOM_EVENT_FILE_H

#include "fathom/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fm_event_file fm_event_file;

/* Makes the folder, and those above it, and in it a file that no other process has:
 * events.out.tfevents.SECONDS.HOST.PROCESS.NUMBER. */
FM_API fm_status fm_event_file_open(fm_context *context, const char *folder, fm_event_file **file);
/* To the operating system: TensorBoard sees what was written. */
FM_API fm_status fm_event_file_flush(fm_event_file *file);
FM_API fm_status fm_event_file_close(fm_event_file *file);
FM_API const char *fm_event_file_path(const fm_event_file *file);

/* A run that was interrupted goes on at `step`: events of this folder at and behind it, written by
 * the process before, are forgotten by TensorBoard. */
FM_API fm_status fm_event_restart(fm_event_file *file, int64_t step);

FM_API fm_status fm_event_scalar(fm_event_file *file, const char *tag, int64_t step, double value);
/* Of `count` elements; 30 equal buckets from the least to the largest.
 * NaN and infinities are left out. */
FM_API fm_status fm_event_histogram(fm_event_file *file, const char *tag, int64_t step,
                                    fm_dtype dtype, const void *elements, int64_t count);
/* pixels: height * width * channels bytes; channels 1 (grey) or 3 (red, green, blue). */
FM_API fm_status fm_event_image(fm_event_file *file, const char *tag, int64_t step, int64_t height,
                                int64_t width, int64_t channels, const uint8_t *pixels);
/* Markdown. */
FM_API fm_status fm_event_text(fm_event_file *file, const char *tag, int64_t step,
                               const char *text);

/*  name    of the node, "dense/matmul"; what stands before a slash is drawn as a box
 *  inputs  names of nodes
 *  note    an attribute "attributes" with these words, may be NULL; shape and dtype of
 *          its output */
typedef struct fm_event_node {
    const char *name, *op;
    const char *const *inputs;
    int input_count;
    fm_shape shape;
    fm_dtype dtype;
    const char *note;
} fm_event_node;

FM_API fm_status fm_event_graph(fm_event_file *file, const fm_event_node *nodes, int64_t count);

/* text NULL: a number. */
typedef struct fm_event_parameter {
    const char *name, *text;
    double number;
} fm_event_parameter;

/* For the tab HPARAMS: what the run was given, and the tags of scalars that it is judged by. */
FM_API fm_status fm_event_parameters(fm_event_file *file, const fm_event_parameter *parameters,
                                     int count, const char *const *metric_tags, int metric_count);
FM_API fm_status fm_event_parameters_end(fm_event_file *file);

#ifdef __cplusplus
}
#endif
#endif
