#include "cli/json_lines.h"
#include "cli/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void json_print(json_t *object)
{
    if (!object) return;
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(10));
    fputc('\n', stdout);
    fflush(stdout);
    json_decref(object);
}

json_t *json_number(double value)
{
    if (!isfinite(value)) return json_null();
    return value == floor(value) && fabs(value) < 1e15 ? json_integer((json_int_t)value)
                                                       : json_real(value);
}

json_t *json_text(const char *text)
{
    json_t *object = json_string(text);
    char *copy = object ? NULL : strdup(text);
    if (!copy) return object ? object : json_null();
    for (char *c = copy; *c; c++) {
        if ((unsigned char)*c >= 128) *c = '?';
    }
    object = json_string(copy);
    free(copy);
    return object;
}

json_t *json_scores(const fm_model *model, const fm_scores *scores)
{
    json_t *object = json_object();
    json_object_set_new(object, "loss", json_number(scores->loss));
    for (int i = 0; i < fm_model_metric_count(model); i++) {
        const char *name = fm_model_metric_name(model, i);
        if (is_confusion_matrix(name)) continue;
        json_object_set_new(object, name, json_number(scores->metrics[i]));
    }
    return object;
}
