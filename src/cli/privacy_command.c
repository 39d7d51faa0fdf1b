/* fathom privacy */
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/invocation.h"
#include "cli/json_lines.h"
#include "base/checked.h"

#include <math.h>

enum { DEFAULT_BATCH = 32 };
static const double default_delta = 1e-5;

/* What is asked about, with what was given filled up. */
typedef struct question {
    fm_privacy_plan plan;
    double noise, epsilon, order;
} question;

static bool is_given(double number)
{
    return number != 0 || signbit(number);
}

static int64_t batch_of(const arguments *given)
{
    return given->batch ? given->batch : DEFAULT_BATCH;
}

static const char *what_is_wrong(const arguments *given)
{
    if (given->examples == 0) return "how many examples are there? --samples N";
    if ((given->epochs == 0) == (given->steps == 0)) {
        return given->epochs ? "--epochs N and --steps N both tell how long: one of them"
                             : "how long? --epochs N, or --steps N";
    }
    if (is_given(given->epsilon) == is_given(given->noise_multiplier)) {
        return "--noise-multiplier S asks for its epsilon, --epsilon E for its noise: one of them";
    }
    if (batch_of(given) > given->examples) {
        return given->batch ? "--batch-size is more than --samples"
                            : "--samples is less than the batch of 32: --batch-size N";
    }
    return NULL;
}

static fm_privacy_plan plan_of(const arguments *given)
{
    int64_t batch = batch_of(given), steps = given->steps;
    if (steps == 0 && !fm_checked_mul_i64(given->epochs, given->examples / batch, &steps)) {
        steps = INT64_MAX;
    }
    return (fm_privacy_plan){
        .sample_rate = (double)batch / (double)given->examples,
        .steps = steps,
        .delta = is_given(given->delta) ? given->delta : default_delta,
    };
}

static fm_status answer(fm_context *context, const arguments *given, question *q)
{
    fm_status status = FM_OK;
    q->plan = plan_of(given);
    q->noise = given->noise_multiplier + 0.0;
    if (is_given(given->epsilon)) {
        status = fm_privacy_noise(context, &q->plan, NULL, given->epsilon, &q->noise);
    }
    if (status != FM_OK) return status;
    return fm_privacy_epsilon(context, &q->plan, q->noise, &q->epsilon, &q->order);
}

static void print_answer(const arguments *given, const question *q)
{
    if (given->json) {
        json_print(json_pack("{s:s, s:o, s:o, s:o, s:o, s:I, s:o}", "event", "privacy", "epsilon",
                             json_number(q->epsilon), "delta", json_number(q->plan.delta),
                             "noise_multiplier", json_number(q->noise), "sample_rate",
                             json_number(q->plan.sample_rate), "steps", (json_int_t)q->plan.steps,
                             "order", json_number(q->order)));
        return;
    }
    printf("epsilon           %.4f at delta %g\n", q->epsilon, q->plan.delta);
    printf("noise_multiplier  %.5g\n", q->noise);
    printf("steps             %lld, each example in one with probability %.4g\n",
           (long long)q->plan.steps, q->plan.sample_rate);
    if (!isfinite(q->order)) return; /* without noise there is no bound */
    printf("order             %g, of the Renyi divergence that epsilon comes from\n", q->order);
}

int privacy_run(const arguments *given)
{
    invocation s;
    question q = {0};
    const char *wrong = what_is_wrong(given);
    if (wrong) {
        fprintf(stderr, "fathom privacy: %s\nTry 'fathom privacy --help'.\n", wrong);
        return EXIT_USAGE;
    }
    if (!invocation_open(&s, given)) return EXIT_INTERNAL;
    fm_status status = answer(s.context, given, &q);
    if (status == FM_OK) print_answer(given, &q);
    return invocation_close(&s, status);
}
