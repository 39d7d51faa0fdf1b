/* fathom/latent.h: the codes of a variational autoencoder, and what its decoder makes of them.
 *
 *     fm_latent_shape(model, &code);                                     (20)
 *     fm_latent_draw(model, &(fm_latent_options){.seed = 1}, 40, codes);
 *     fm_latent_decode(model, codes, 40, NULL, pictures);
 *
 * Invariants
 *  - The code is the output of the model's layer gaussian_sample (nn.h), whose prior is N(0, 1) in
 *    each element. A model without one, with several of them, or with a decoder that reads the
 *    input past the code, is FM_ERROR_UNSUPPORTED in words.
 *  - Same seed and number, same code, for any number of threads or samples drawn at once.
 *  - May be NULL: options.
 */
#ifndef FATHOM_LATENT_H
#define FATHOM_LATENT_H

#include "fathom/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of one sample. */
FM_API fm_status fm_latent_shape(fm_model *model, fm_shape *code);

/*  seed         same seed, same codes
 *  first        the number of the first sample: code i is drawn from (seed, first + i) alone
 *  temperature  the deviation: below 1 what is more usual, above 1 what is less. Default 1 */
typedef struct fm_latent_options {
    int64_t seed, first;
    double temperature;
} fm_latent_options;

FM_API extern const fm_field fm_latent_fields[];

/* `count` codes from the prior, of the model's dtype, one behind the other. options may be NULL. */
FM_API fm_status fm_latent_draw(fm_model *model, const fm_latent_options *options, int64_t count,
                                void *codes);

/* What the model predicts from these codes: as fm_predict does, with the part of it that lies
 * behind the code. options may be NULL; workers and prefetch are not read. */
FM_API fm_status fm_latent_decode(fm_model *model, const void *codes, int64_t count,
                                  const fm_predict_options *options, void *predictions);

#ifdef __cplusplus
}
#endif
#endif
