/* fathom/generate.h: text from a model of language, token by token.
 *
 *     fm_generator_create(model, fm_transform_vocabulary(transform), 0, &generator);
 *     fm_generate(generator, &(fm_generate_options){.prompt = "ROMEO:", .length = 500,
 *                                                   .temperature = 0.8, .emit = print}, &made);
 *
 * Invariants
 *  - The model reads i32 tokens (time) and predicts, for each, the one that follows: (time,
 *    classes). It runs as a stream (fm_model_stream): one token a step, layers carry what they
 *    remember. A step allocates nothing.
 *  - Same seed and number, same text, for any number of threads: draws are keyed by (seed, number,
 *    token), Philox.
 *  - Padding and the unknown token are never generated.
 *  - A model that keeps positions (attention) looks back on `context` tokens at most. When they are
 *    used up it begins anew with the last half of them.
 *  - May be NULL: options, `prompt`, `emit`, `generated`.
 */
#ifndef FATHOM_GENERATE_H
#define FATHOM_GENERATE_H

#include "fathom/text_data.h"
#include "fathom/train.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fm_generator fm_generator;

/* Compiles the stream; model and vocabulary must outlive the generator. context 0: as many tokens
 * as the model's samples have. FM_ERROR_SHAPE when it is no model of tokens or has too few outputs
 * for the vocabulary; FM_ERROR_UNSUPPORTED, in words, from a layer that needs the whole
 * sequence. */
FM_API fm_status fm_generator_create(fm_model *model, const fm_vocabulary *vocabulary,
                                     int64_t context, fm_generator **generator);
FM_API void fm_generator_destroy(fm_generator *generator);

/*  prompt       what the text begins with, UTF-8; NULL or "": a line's end
 *  length       tokens to generate. Default 200
 *  temperature  logits are divided by it; FM_ZERO: always the most probable token. Default 1
 *  top_k        draw from the k most probable tokens; 0: from all (Fan, Lewis, Dauphin 2018)
 *  top_p        draw from the fewest tokens that have this probability together; 0 and 1: from all
 *               (Holtzman et al. 2020). After top_k
 *  seed, number same seed, another number: another text
 *  emit         is given what is new: whole characters, in bytes without a zero behind them; broken
 *               UTF-8 as U+FFFD. false ends the text. NULL: nobody reads it */
typedef struct fm_generate_options {
    const char *prompt;
    int64_t length;
    double temperature;
    int64_t top_k;
    double top_p;
    int64_t seed, number;
    bool (*emit)(void *user, const char *text, size_t size);
    void *user;
} fm_generate_options;

FM_API extern const fm_field fm_generate_fields[]; /* numbers alone */

typedef struct fm_generated {
    int64_t prompt_tokens, tokens;
    int64_t restarts; /* how often the context was used up */
    double seconds;   /* of the generated tokens, without the prompt's */
} fm_generated;

/* options and generated may be NULL. What the vocabulary does not know of the prompt is named in a
 * warning. FM_ERROR_NONFINITE when the model predicts a NaN. */
FM_API fm_status fm_generate(fm_generator *generator, const fm_generate_options *options,
                             fm_generated *generated);

#ifdef __cplusplus
}
#endif
#endif
