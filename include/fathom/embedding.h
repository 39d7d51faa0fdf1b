/* fathom/embedding.h: what a layer makes of data, and maps of it in two dimensions.
 *
 *     fm_extractor_create(model, NULL, &extractor);          what the last layer with weights reads
 *     width = fm_shape_elements(fm_extractor_shape(extractor));
 *     fm_extract(extractor, test, features);                 (samples, width)
 *     fm_tsne(context, features, samples, width, NULL, places, NULL);          (samples, 2)
 *
 * Invariants
 *  - Numbers are f64, row-major, a row a sample.
 *    One that is not finite is FM_ERROR_ARGUMENT with its place.
 *  - Same options, same seed, same bits, for any number of threads.
 *  - Distances and directions in a map by PCA are those of the data, seen from one side. In a map
 *    by t-SNE only who is near whom means something: neither the distance between groups nor their
 *    size.
 *  - May be NULL: options, `layer`, `watch`, `result`.
 */
#ifndef FATHOM_EMBEDDING_H
#define FATHOM_EMBEDDING_H

#include "fathom/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- features -------------------------------------------------------------------------------- */

/*  layer       by name, as `fathom show` lists them; NULL: what the last layer with variables
 *              reads, the features that the model's head decides on. "input" is the sample itself
 *  pool        the mean over all dimensions but the last, channels or the numbers of a step; steps
 *              that are padding are left out. Otherwise all elements are features
 *  batch_size  samples computed at once. Default 32 */
typedef struct fm_extractor_options {
    const char *layer;
    bool pool;
    int64_t batch_size;
} fm_extractor_options;

/* Layers as they predict: without dropout, with running statistics, and averaged weights where the
 * optimizer keeps them. */
typedef struct fm_extractor fm_extractor;

/* options may be NULL. FM_ERROR_NOT_FOUND: no such layer, with the layers that there are;
 * FM_ERROR_UNSUPPORTED: a model without variables and no layer asked for. Destroy it before the
 * model. */
FM_API fm_status fm_extractor_create(fm_model *model, const fm_extractor_options *options,
                                     fm_extractor **extractor);
FM_API void fm_extractor_destroy(fm_extractor *extractor);

/* The layer's name ("input": the sample), valid with the extractor; and the shape of the features
 * of one sample, (channels) with `pool`. */
FM_API const char *fm_extractor_layer(const fm_extractor *extractor);
FM_API fm_shape fm_extractor_shape(const fm_extractor *extractor);

/* For each sample in order a row of features, as f64 whatever the model computes in. "y" of the
 * data is not looked at. FM_ERROR_SHAPE as of fm_predict. */
FM_API fm_status fm_extract(fm_extractor *extractor, const fm_dataset *data, double *features);

/* ---- principal components -------------------------------------------------------------------- */

/*  components  directions. Default 2; at most as many as columns
 *  tolerance   of a direction: its residual as a share of the largest variance. Default 1e-9
 *  seed        of what an iteration begins with, where there is one */
typedef struct fm_pca_options {
    int64_t components;
    double tolerance;
    int64_t seed;
} fm_pca_options;

FM_API extern const fm_field fm_pca_fields[];

/* mean            (columns)
 * axes            (components, columns), orthonormal, that of the largest variance first; of each
 *                 the element of the largest magnitude is positive. Beyond the rank of the data
 *                 zeros
 * variances       (components), of a sample: over rows - 1
 * total_variance  of all columns together */
typedef struct fm_pca {
    int64_t columns, components;
    const double *mean, *axes, *variances;
    double total_variance;
} fm_pca;

/* Pearson 1901, "On lines and planes of closest fit"; Hotelling 1933. x: (rows, columns), at least
 * two rows. Small problems by Jacobi's rotations, others by subspace iteration with Rayleigh and
 * Ritz' projection (Halko, Martinsson, Tropp 2011), on the smaller of covariance and Gram matrix,
 * or on neither where both are large. options may be NULL. */
FM_API fm_status fm_pca_fit(fm_context *context, const double *x, int64_t rows, int64_t columns,
                            const fm_pca_options *options, fm_pca **pca);
FM_API void fm_pca_destroy(fm_pca *pca);

/* (x - mean) axes^T: places (rows, components). x has the columns that it was fitted on. */
FM_API void fm_pca_apply(const fm_pca *pca, const double *x, int64_t rows, double *places);

/* ---- t-SNE ----------------------------------------------------------------------------------- */

/*  perplexity          how many neighbours a sample has, softly. Default 30, less for few samples:
 *                      (rows - 1) / 3 at most
 *  iterations          default 1000
 *  early_iterations    of these the first ones, with attraction enlarged. Default 250
 *  early_exaggeration  by this factor. Default 12
 *  learning_rate       default rows / early_exaggeration / 4, at least 50 (Belkina et al. 2019)
 *  angle               of Barnes and Hut: a far cell of this size over its distance counts as one
 *                      point. Default 0.5; FM_ZERO: exact
 *  exact_rows          up to so many samples everything is exact. Default 1000
 *  reduce              wider data is first projected on so many principal components. Default 50
 *  random_start        begin with small random numbers; otherwise with the first two principal
 *                      components (Kobak, Berens 2019)
 *  seed                of these numbers, and of a trace of noise that parts what lies on one place
 *  watch               called before each iteration; false ends with FM_ERROR_CANCELLED */
typedef struct fm_tsne_options {
    double perplexity;
    int64_t iterations, early_iterations;
    double early_exaggeration, learning_rate, angle;
    int64_t exact_rows, reduce;
    bool random_start;
    int64_t seed;
    bool (*watch)(void *user, int64_t iteration, int64_t iterations);
    void *user;
} fm_tsne_options;

FM_API extern const fm_field fm_tsne_fields[];

/* divergence  KL(P || Q) of the map, in nats
 * perplexity, columns  that were used
 * exact       neither neighbours nor forces were approximated */
typedef struct fm_tsne_result {
    double divergence, perplexity;
    int64_t columns;
    bool exact;
} fm_tsne_result;

/* van der Maaten, Hinton 2008, "Visualizing data using t-SNE"; above exact_rows by the tree of van
 * der Maaten 2014, "Accelerating t-SNE using tree-based algorithms", with the exact 3 perplexity
 * nearest neighbours. x: (rows, columns) -> places: (rows, 2). options and result may be NULL.
 * FM_ERROR_ARGUMENT: fewer than 4 rows, or a perplexity above (rows - 1) / 3. Time grows with rows
 * squared for the neighbours, with rows log rows for an iteration. */
FM_API fm_status fm_tsne(fm_context *context, const double *x, int64_t rows, int64_t columns,
                         const fm_tsne_options *options, double *places, fm_tsne_result *result);

/* ---- judging --------------------------------------------------------------------------------- */

/* The mean share of a sample's `neighbors` nearest others (Euclidean; fewer where there are fewer
 * samples) that have its label: for features and for maps. points: (rows, columns), at least two
 * rows. */
FM_API fm_status fm_neighbor_agreement(fm_context *context, const double *points, int64_t rows,
                                       int64_t columns, const int32_t *labels, int64_t neighbors,
                                       double *share);

#ifdef __cplusplus
}
#endif
#endif
