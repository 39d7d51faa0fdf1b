/* What a model makes of data that it has not seen: scores, classes, calibration, mistakes. */
#include "cli/report_parts.h"
#include "cli/progress.h"
#include "cli/sheet_canvas.h"
#include "cli/sound_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 10, MOST_CLASSES = 30, MISTAKES = 16 };

/* One sample of the set. */
typedef struct judgement {
    int64_t sample, said, true_class;
    double confidence;
} judgement;

typedef struct evaluation {
    const report *r;
    const report_run *run;
    const fm_dataset *set;
    const char *part;
    output_meaning meaning;
    int64_t count;
    judgement *judged;
    double *matrix; /* rows are true classes */
} evaluation;

/* ---- judging --------------------------------------------------------------------------------- */

static fm_status judge(evaluation *e)
{
    const report *r = e->r;
    const fm_data_field *y = &fm_dataset_about(e->set)->fields[1];
    const output_meaning *m = &e->meaning;
    e->count = fm_dataset_about(e->set)->count;
    size_t bytes = (size_t)fm_shape_bytes(y->shape, y->dtype);
    float *outputs = fm_arena_allocate(r->arena, (size_t)(e->count * m->width) * sizeof *outputs);
    char *labels = fm_arena_allocate(r->arena, (size_t)e->count * bytes);
    e->judged = fm_arena_allocate(r->arena, (size_t)e->count * sizeof *e->judged);
    e->matrix =
        fm_arena_allocate(r->arena, (size_t)(m->class_count * m->class_count) * sizeof *e->matrix);
    if (!outputs || !labels || !e->judged || !e->matrix) return FM_ERROR_MEMORY;
    fm_data_request request = {.count = e->count, .fields = {NULL, labels}};
    fm_status status = fm_dataset_read(r->s->context, e->set, &request);
    if (status == FM_OK) {
        fm_predict_options how = {.batch_size = EVALUATION_BATCH, .probabilities = true};
        status = fm_predict(e->run->saved.model, e->set, &how, outputs);
    }
    for (int64_t i = 0; i < e->count && status == FM_OK; i++) {
        const float *of = outputs + i * m->width;
        judgement *j = &e->judged[i];
        *j = (judgement){.sample = i,
                         .said = output_most_probable(m, of),
                         .true_class = output_true_class(m, y, labels + (size_t)i * bytes)};
        j->confidence = output_probability(m, of, j->said);
        bool known = j->true_class >= 0 && j->true_class < m->class_count;
        if (known) e->matrix[j->true_class * m->class_count + j->said] += 1;
    }
    return status;
}

/* ---- classes --------------------------------------------------------------------------------- */

static double row_sum(const evaluation *e, int64_t row)
{
    double sum = 0;
    for (int64_t k = 0; k < e->meaning.class_count; k++) {
        sum += e->matrix[row * e->meaning.class_count + k];
    }
    return sum;
}

static double column_sum(const evaluation *e, int64_t column)
{
    double sum = 0;
    for (int64_t k = 0; k < e->meaning.class_count; k++) {
        sum += e->matrix[k * e->meaning.class_count + column];
    }
    return sum;
}

static void add_name(const evaluation *e, int64_t k)
{
    char buffer[32];
    html_add_string(e->r->body, output_class_name(&e->meaning, k, buffer));
}

static void add_classes(const evaluation *e)
{
    fm_text *body = e->r->body;
    int64_t count = e->meaning.class_count;
    fm_text_add(body, "<h3>Classes</h3><div class=wide tabindex=0><table><tr><th>class<th>samples"
                      "<th>precision<th>recall<th>F1</tr>");
    for (int64_t k = 0; k < count && k < 200; k++) {
        double hits = e->matrix[k * count + k], there = row_sum(e, k), said = column_sum(e, k);
        fm_text_add(body, "<tr><td>");
        add_name(e, k);
        fm_text_add(body, "<td>%.0f<td>%.3f<td>%.3f<td>%.3f</tr>", there,
                    said > 0 ? hits / said : 0, there > 0 ? hits / there : 0,
                    there + said > 0 ? 2 * hits / (there + said) : 0);
    }
    fm_text_add(body, "</table></div>\n");
}

static void add_confusion(const evaluation *e)
{
    fm_text *body = e->r->body;
    int64_t count = e->meaning.class_count;
    if (count > MOST_CLASSES) return;
    fm_text_add(body, "<h3>Confusion</h3><p class=soft>rows: the true class, columns: what the "
                      "model said</p><div class=wide tabindex=0><table class=matrix><tr><th>");
    for (int64_t k = 0; k < count; k++) {
        fm_text_add(body, "<th>");
        add_name(e, k);
    }
    for (int64_t i = 0; i < count; i++) {
        double there = fmax(row_sum(e, i), 1);
        fm_text_add(body, "</tr><tr><th>");
        add_name(e, i);
        for (int64_t k = 0; k < count; k++) {
            double number = e->matrix[i * count + k];
            fm_text_add(body, "<td style=\"--c:var(--c%d);--a:%.3f\">%.0f", i == k ? 0 : 1,
                        sqrt(number / there), number);
        }
    }
    fm_text_add(body, "</tr></table></div>\n");
}

/* ---- calibration: Guo et al. 2017, equal bins of confidence ---------------------------------- */

typedef struct bin {
    double count, confidence, right;
} bin;

static void add_diagram(fm_text *body, const bin bins[BINS])
{
    enum { SIDE = 260, LEFT = 36, BOTTOM = 24, BOX = SIDE + LEFT + 8 };
    double wide = (double)SIDE / BINS;
    fm_text_add(body,
                "<figure style=\"max-width:22rem\"><svg viewBox=\"0 0 %d %d\" role=img "
                "aria-label=\"reliability diagram\">",
                BOX, SIDE + BOTTOM + 8);
    for (int i = 0; i < BINS; i++) {
        if (bins[i].count == 0) continue;
        double share = bins[i].right / bins[i].count;
        fm_text_add(body,
                    "<rect x=%.1f y=%.1f width=%.1f height=%.1f fill=\"var(--c0)\" "
                    "fill-opacity=\"%.2f\"><title>confidence %.3f, right %.3f, %.0f "
                    "samples</title></rect>",
                    LEFT + i * wide + 1, 8 + SIDE * (1 - share), wide - 2, SIDE * share,
                    0.35 + 0.65 * fmin(1, bins[i].count / 20), bins[i].confidence / bins[i].count,
                    share, bins[i].count);
    }
    fm_text_add(body,
                "<line x1=%d y1=%d x2=%d y2=8 stroke=\"var(--c1)\" stroke-width=2 "
                "stroke-dasharray=\"6 4\" />",
                LEFT, SIDE + 8, LEFT + SIDE);
    for (int i = 0; i <= 4; i++) {
        fm_text_add(body,
                    "<text x=%d y=%d text-anchor=middle>%.2g</text><text x=%d y=%d "
                    "text-anchor=end>%.2g</text>",
                    LEFT + i * SIDE / 4, SIDE + BOTTOM, i / 4.0, LEFT - 5, 12 + SIDE - i * SIDE / 4,
                    i / 4.0);
    }
    fm_text_add(body, "</svg></figure>\n");
}

static void add_calibration(const evaluation *e)
{
    bin bins[BINS] = {{0}};
    double error = 0;
    for (int64_t i = 0; i < e->count; i++) {
        const judgement *j = &e->judged[i];
        int k = (int)(j->confidence * BINS);
        bin *of = &bins[k < 0 ? 0 : k < BINS ? k : BINS - 1];
        of->count += 1;
        of->confidence += j->confidence;
        of->right += j->said == j->true_class;
    }
    for (int i = 0; i < BINS; i++) error += fabs(bins[i].confidence - bins[i].right);
    fm_text_add(e->r->body,
                "<h3>Calibration</h3><p class=soft>how often the model is right (up) "
                "when it is this sure (right); on the line it is as right as it says. "
                "Expected calibration error %.4f</p>",
                error / fmax((double)e->count, 1));
    add_diagram(e->r->body, bins);
}

/* ---- mistakes -------------------------------------------------------------------------------- */

static int by_confidence(const void *a, const void *b)
{
    const judgement *x = a, *y = b;
    bool wrong_x = x->said != x->true_class, wrong_y = y->said != y->true_class;
    if (wrong_x != wrong_y) return wrong_x ? -1 : 1;
    if (x->confidence != y->confidence) return x->confidence < y->confidence ? 1 : -1;
    return x->sample < y->sample ? -1 : 1;
}

static fm_status add_picture(const evaluation *e, const judgement *j, fm_image *image)
{
    const report *r = e->r;
    size_t elements = (size_t)(image->height * image->width * image->channels);
    float *x = fm_arena_allocate(r->arena, 2 * elements * sizeof *x);
    image->pixels = fm_arena_allocate(r->arena, elements);
    if (!x || !image->pixels) return FM_ERROR_MEMORY;
    fm_data_request request = {.first = j->sample, .count = 1, .fields = {x}};
    fm_status status = fm_dataset_read(r->s->context, e->set, &request);
    if (status != FM_OK) return status;
    sheet_restore(e->run->saved.transform, x, x + elements, image);
    int times = image->width < 96 ? (int)(96 / image->width) : 1;
    return report_add_image(r, image, times, "a sample that the model got wrong");
}

static fm_status add_mistakes(evaluation *e)
{
    fm_text *body = e->r->body;
    fm_image image;
    fm_status status = FM_OK;
    const fm_dataset_info *in = fm_transform_input(e->run->saved.transform);
    bool drawn = !in->text && !in->fields[0].columns && !recipe_sound(e->run->saved.recipe) &&
                 sheet_is_image(&fm_dataset_about(e->set)->fields[0], &image);
    qsort(e->judged, (size_t)e->count, sizeof *e->judged, by_confidence);
    fm_text_add(body, "<h3>Most confident mistakes</h3><div class=pictures>");
    for (int64_t i = 0; i < e->count && i < MISTAKES && status == FM_OK; i++) {
        const judgement *j = &e->judged[i];
        if (j->said == j->true_class) break;
        fm_text_add(body, "<figure>");
        if (drawn) status = add_picture(e, j, &image);
        fm_text_add(body, "<div>said <b>");
        add_name(e, j->said);
        fm_text_add(body, "</b> %.1f%%, is ", 100 * j->confidence);
        add_name(e, j->true_class);
        fm_text_add(body, "<br><span class=soft>%s %lld</span></div></figure>", e->part,
                    (long long)j->sample);
    }
    if (e->count == 0 || e->judged[0].said == e->judged[0].true_class) {
        fm_text_add(body, "<p>none</p>");
    }
    fm_text_add(body, "</div>\n");
    return status;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static fm_status add_scores(const evaluation *e)
{
    char figure[32];
    fm_text *body = e->r->body;
    const fm_model *model = e->run->saved.model;
    fm_scores scores;
    fm_status status = fm_evaluate(e->run->saved.model, e->set,
                                   &(fm_evaluate_options){.batch_size = EVALUATION_BATCH}, &scores);
    if (status != FM_OK) return status;
    fm_text_add(body, "<h3>Scores</h3><p>%s part, %lld samples of ", e->part,
                (long long)scores.samples);
    html_add_string(body, fm_dataset_about(e->set)->name);
    fm_text_add(body, ": loss <b>%s</b>", show_figure(scores.loss, figure));
    for (int i = 0; i < fm_model_metric_count(model); i++) {
        if (is_confusion_matrix(fm_model_metric_name(model, i))) continue;
        fm_text_add(body, ", ");
        html_add_string(body, fm_model_metric_name(model, i));
        fm_text_add(body, " <b>%s</b>", show_figure(scores.metrics[i], figure));
    }
    fm_text_add(body, "</p>\n");
    return FM_OK;
}

static fm_status evaluate(evaluation *e)
{
    fm_status status = add_scores(e);
    if (status == FM_OK) status = report_add_reconstructions(e->r, e->run, e->set);
    bool one_answer = fm_model_output(e->run->saved.model, NULL).rank == 1;
    if (status != FM_OK || !e->meaning.classes || !one_answer) return status;
    status = judge(e);
    if (status != FM_OK) return status;
    add_classes(e);
    add_confusion(e);
    add_calibration(e);
    return add_mistakes(e);
}

/* Data that is not here is told on the page, and is no failure. */
fm_status report_add_evaluation(const report *r, const report_run *run)
{
    fm_recipe_data data = {0};
    fm_status status =
        fm_recipe_open_data(run->saved.recipe, &r->s->places, run->saved.transform_json, &data);
    terminal_wipe(&r->s->err);
    evaluation e = {.r = r, .run = run, .meaning = output_meaning_of(&run->saved)};
    e.set = data.test ? data.test : data.validation;
    e.part = data.test ? "test" : "validation";
    if (status != FM_OK) {
        fm_text_add(r->body, "<p class=soft>not evaluated: ");
        html_add_string(r->body, fm_error_message(r->s->context));
        fm_text_add(r->body, "</p>\n");
        status = FM_OK;
    } else if (!e.set) {
        fm_text_add(r->body, "<p class=soft>not evaluated: the recipe keeps no data aside</p>\n");
    } else {
        const fm_dataset *raw = data.test ? data.raw_test : data.raw_validation;
        status = evaluate(&e);
        if (status == FM_OK) status = report_add_embedding(r, run, raw, e.set);
    }
    fm_recipe_data_close(&data);
    return status == FM_OK ? fm_text_status(r->body) : status;
}
