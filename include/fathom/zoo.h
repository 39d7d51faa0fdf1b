/* fathom/zoo.h: networks from the literature, ready to train.
 *
 *     fm_val logits = fm_zoo(g, "resnet50", images, .classes = 10);
 *
 * In a recipe `model: {zoo: resnet50, classes: 10}`; `fathom show zoo` lists them, `fathom show
 * zoo/resnet50` shows one as it was published.
 *
 * Invariants
 *  - A network takes (batch, height, width, channels) and returns logits (batch, classes), a
 *    segmentation (batch, height, width, classes). (batch, height, width) is one channel.
 *  - Any input size that its halvings leave something of will do, any number of channels too; the
 *    published size is in the record. Where a dense layer follows the feature map (LeNet, AlexNet,
 *    VGG) it has as many inputs as there are.
 *  - Without options it is the published network: `parameters` trainable numbers and `macs`
 *    multiply-accumulates in convolutions and dense layers for one sample. Where implementations
 *    differ from the paper or from each other, `form` says which is meant.
 *  - Variables lie below `body`, those that depend on the classes below `head`: what to freeze and
 *    what to skip when a network learns other classes.
 *  - Auxiliary heads are there while training and are added to the loss (fm_add_auxiliary, nn.h).
 *  - Batch normalisation has epsilon 1e-5 and momentum 0.9 (PyTorch's 0.1) unless `form` says
 *    otherwise.
 *  - May be NULL: options.
 */
#ifndef FATHOM_ZOO_H
#define FATHOM_ZOO_H

#include "fathom/nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Each network reads those options that its record's fields list.
 *  classes             outputs; default as published
 *  dropout             rate before the last layers; default as published, FM_ZERO for none
 *  width               factor of the channels (MobileNets, U-Net), default 1
 *  depth               U-Net: how often the size is halved, default 4
 *  growth_dropout      DenseNet: rate after each layer, default 0
 *  no_auxiliary        GoogLeNet without its auxiliary heads
 *  zero_init_residual  ResNets: the last gamma of each block starts at 0, so that blocks start as
 *                      the identity (Goyal et al. 2017) */
typedef struct fm_zoo_options {
    int64_t classes;
    double dropout, width;
    int64_t depth;
    double growth_dropout;
    bool no_auxiliary, zero_init_residual;
} fm_zoo_options;

typedef struct fm_zoo_record {
    const char *name;
    const char *doc;   /* what it is, in a line */
    const char *paper; /* authors, title */
    int year;
    const char *form;         /* which form of it, or NULL */
    int64_t height, channels; /* published input: (height, height, channels) */
    int64_t classes;          /* published */
    int64_t parameters;       /* trainable, auxiliary heads included */
    double macs;              /* of one sample, predicting */
    const fm_field *fields;   /* of fm_zoo_options */
    /* options are complete */
    fm_val (*build)(fm_graph *g, fm_val x, const struct fm_zoo_record *self,
                    const fm_zoo_options *options);
    const void *structure; /* the family's table */
} fm_zoo_record;

FM_API const fm_zoo_record *fm_zoo_at(int i); /* NULL at the end */
FM_API const fm_zoo_record *fm_zoo_find(const char *name);

/* A name that does not exist is a mistake that suggests the nearest. */
#define fm_zoo(g, name, x, ...)                                                                    \
    fm_zoo_with((g), (name), (x), FM_OPTIONS(fm_zoo_options, __VA_ARGS__))
FM_API fm_val fm_zoo_with(fm_graph *g, const char *name, fm_val x, const fm_zoo_options *options);

#ifdef __cplusplus
}
#endif
#endif
