/* What `fathom explain` found out about one sample, and the ways to show it: pictures, text,
 * columns. */
#ifndef FM_CLI_EXPLAIN_VIEWS_H
#define FM_CLI_EXPLAIN_VIEWS_H

#include "cli/output_meaning.h"
#include "cli/predict_input.h"
#include "base/memory.h"
#include "base/text.h"
#include "data/text/text_samples.h"
#include "fathom/explain.h"
#include "fathom/image.h"

typedef struct explained {
    const invocation *s;
    const saved_model *saved;
    const output_meaning *meaning;
    char title[256];           /* "test 3" */
    const void *x;             /* the prepared sample */
    const fm_written *written; /* of texts, what their unknown tokens stand for */
    int64_t output;            /* what is explained: a class, or a number among the outputs */
    char output_name[64];
    double value;             /* its probability, or the number in the user's unit */
    int64_t true_class;       /* -1: unknown */
    const fm_explanation *of; /* one for each method */
    int count;
} explained;

enum { MOST_METHODS = FM_EXPLAIN_METHOD_COUNT };

/* The size that counts as full colour: the 99th percentile of magnitudes (Smilkov et al. 2017), the
 * largest where that is 0; 0 for a map of zeros. */
double explained_scale(fm_context *context, const fm_explanation *of);

/* What is listed with the heaviest first; of equal ones the first. */
typedef struct ranked {
    int64_t index;
    double weight;
} ranked;
void explained_rank(ranked *list, int64_t count);

/* ---- pictures: a row a sample, the input, then a column a method ---- */

typedef struct explain_sheet {
    fm_context *context;
    fm_arena arena;
    fm_image sheet, sample;
    int64_t cell_height, cell_width, rows;
    float *values;
    uint8_t *scratch;
} explain_sheet;

/* For so many samples and methods; FM_ERROR_LIMIT when the picture would be too large. */
fm_status explain_sheet_open(fm_context *context, const fm_data_field *x, int64_t samples,
                             int methods, explain_sheet *sheet);
fm_status explain_sheet_add(explain_sheet *sheet, const explained *e);
fm_status explain_sheet_write(const explain_sheet *sheet, const char *path);
void explain_sheet_close(explain_sheet *sheet);

/* ---- texts: coloured in the terminal, and a page ---- */

/* What the unknown tokens of a sample stand for, in the arena; NULL where `raw` is no text. */
fm_status explain_written(const invocation *s, const saved_model *saved, const fm_dataset *raw,
                          int64_t i, fm_arena *arena, const fm_written **written);
/* The bytes of token i of these numbers, or what stands in its place in the text: *unknown. */
const char *explain_token(const saved_model *saved, const fm_written *written,
                          const int32_t *numbers, int64_t i, size_t *size, bool *unknown);
/* Unknown ones are shown so: [word?] */
#define UNKNOWN_BEGIN "["
#define UNKNOWN_END   "?]"
void explain_token_html(fm_text *body, const char *bytes, size_t size, bool unknown);

void explain_text_print(const explained *e);
/* Adds the sample to the page's body. */
void explain_text_html(const explained *e, fm_text *body);
/* What its colors mean, as HTML. */
extern const char explain_text_about[];
/* The whole page, to be opened by a browser; `about` stands below the title. */
fm_status explain_page_write(fm_context *context, const char *title, const char *about,
                             const fm_text *body, const char *path);

/* ---- tables and series: bars, the largest first ---- */

void explain_columns_print(const explained *e);
/* The name of element i of a sample, in the buffer: "petal_width", "t-3 temperature", "17". */
const char *explain_element_name(const explained *e, int64_t i, char *buffer, size_t size);

/* ---- permutation importance ---- */

/* Over the recipe's evaluation set. */
fm_status explain_by_permutation(invocation *s, saved_model *saved);

#endif
