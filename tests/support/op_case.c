#include "support/op_case.h"
#include "support/fixture.h"
#include "base/random.h"

#include <ctype.h>

static case_input parse_input(const char **text, const char *whole)
{
    case_input input = {.letter = **text};
    if (!strchr("fpnduwib", input.letter)) fail_msg("%s: unknown letter %c", whole, input.letter);
    (*text)++;
    char *end = NULL;
    if (input.letter == 'i' || input.letter == 'b') {
        input.limit = (int)strtol(*text, &end, 10);
        *text = end;
    }
    if (*(*text)++ != '(') fail_msg("%s: a ( is missing", whole);
    while (**text != ')') {
        if (!isdigit((unsigned char)**text)) fail_msg("%s: a dimension is missing", whole);
        input.shape.dims[input.shape.rank++] = strtol(*text, &end, 10);
        *text = end + (*end == ',');
    }
    (*text)++;
    return input;
}

op_case op_case_parse(const char *text)
{
    op_case parsed = {0};
    const char *at = text;
    while (*at) {
        if (*at == ' ')
            at++;
        else
            parsed.inputs[parsed.count++] = parse_input(&at, text);
    }
    return parsed;
}

fm_dtype op_case_dtype(const case_input *input, fm_dtype real)
{
    return input->letter == 'i' ? FM_I32 : input->letter == 'b' ? FM_U8 : real;
}

/* Element i of `count` for a letter. */
static double value_of(char letter, fm_random *random, int64_t i, int64_t count)
{
    double u = fm_random_uniform(random);
    switch (letter) {
    case 'f':
        return 4 * u - 2;
    case 'w':
        return 16 * u - 8;
    case 'p':
        return 0.5 + 1.5 * u;
    case 'u':
        return 0.1 + 0.8 * u;
    case 'n':
        return u < 0.5 ? -2 + 3.6 * u : 0.2 + 3.6 * (u - 0.5);
    default: /* d: a step of 4 / count between neighbours, in scrambled order */
        return -2 + (4.0 * (double)((i * 7 + 3) % count) + 2 * u) / (double)count;
    }
}

void op_case_fill(const case_input *input, int index, fm_dtype real, void *elements)
{
    fm_random random = fm_random_at(20, 0, (uint32_t)index);
    int64_t count = fm_shape_elements(input->shape);
    for (int64_t i = 0; i < count; i++) {
        if (input->letter == 'i') {
            ((int32_t *)elements)[i] = (int32_t)fm_random_below(&random, (uint64_t)input->limit);
            continue;
        }
        if (input->letter == 'b') {
            ((uint8_t *)elements)[i] = (uint8_t)fm_random_below(&random, (uint64_t)input->limit);
            continue;
        }
        float value = (float)value_of(input->letter, &random, i, count);
        if (real == FM_F64)
            ((double *)elements)[i] = (double)value;
        else
            ((float *)elements)[i] = value;
    }
}

bool op_case_next(op_case_at *at)
{
    if (at->op)
        at->case_index++;
    else
        at->op = fm_op_at(0);
    while (at->op && (!at->op->cases || !at->op->cases[at->case_index].inputs)) {
        at->op = fm_op_at(++at->op_index);
        at->case_index = 0;
    }
    at->row = at->op ? &at->op->cases[at->case_index] : NULL;
    return at->op != NULL;
}
