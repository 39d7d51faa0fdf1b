/* What the families share: convolutions with their usual companions, and records in short. */
#ifndef FM_NN_ZOO_BLOCKS_H
#define FM_NN_ZOO_BLOCKS_H

#include "fathom/nn_vision.h"
#include "fathom/zoo.h"
#include "nn/layer.h"

/* How kernels start. */
typedef enum fm_zoo_start {
    FM_ZOO_HE, /* normal, variance 2 / (size^2 filters): He et al. 2015 by outputs, torchvision's
                  for its networks of convolutions */
    FM_ZOO_UNIFORM, /* uniform in +-1 / sqrt(fan_in): PyTorch's default */
    FM_ZOO_NORMAL,  /* normal, deviation 0.01 */
    FM_ZOO_HE_IN    /* He et al. 2015 by inputs */
} fm_zoo_start;

typedef struct fm_zoo_conv {
    const char *name;
    int64_t filters, size;
    int64_t stride, dilation, groups; /* default 1 */
    bool valid;                       /* no padding, else size / 2 dilation on each side */
    bool bias;
    fm_zoo_start start;
    double bias_start;
    bool depthwise; /* each channel alone; filters are not looked at */
} fm_zoo_conv;

fm_val fm_zoo_convolve(fm_graph *g, fm_val x, const fm_zoo_conv *conv);
/* With the epsilon and momentum of zoo.h. */
fm_val fm_zoo_normalize(fm_graph *g, fm_val x, const char *name);
fm_val fm_zoo_relu(fm_graph *g, fm_val x);
/* relu(normalize(convolve)) */
fm_val fm_zoo_convolve_relu(fm_graph *g, fm_val x, const fm_zoo_conv *conv, const char *norm);
/* Kernel and bias start as `start` says; HE counts as HE_IN. */
fm_val fm_zoo_dense(fm_graph *g, fm_val x, const char *name, int64_t units, int activation,
                    fm_zoo_start start);
/* Drops nothing when the rate is zero. */
fm_val fm_zoo_dropout(fm_graph *g, fm_val x, double rate);
/* 3 x 3, stride 2, padding 1. */
fm_val fm_zoo_max_pool(fm_graph *g, fm_val x);
/* A network is built in the scope `body`. Between these two lies what depends on the classes. */
void fm_zoo_leave_body(fm_graph *g);
void fm_zoo_enter_body(fm_graph *g);
/* The dense layer `head`. */
fm_val fm_zoo_head(fm_graph *g, fm_val x, int64_t classes, fm_zoo_start start);
/* Mean over space, dropout, head: the end of most. */
fm_val fm_zoo_classify(fm_graph *g, fm_val x, int64_t classes, double dropout);

int64_t fm_zoo_channels(const fm_graph *g, fm_val x);
/* Enters the scope stem + number. */
void fm_zoo_enter(fm_graph *g, const char *stem, int number);

#define FM_ZOO_CLASSES                                                                             \
    FM_FIELD(fm_zoo_options, classes, FM_FIELD_INT, "outputs; default as published", .maximum = 1e9)
#define FM_ZOO_DROPOUT(rate)                                                                       \
    FM_FIELD(fm_zoo_options, dropout, FM_FIELD_REAL, "rate before the last layers",                \
             .default_value = rate, .maximum = 0.999999)
#define FM_ZOO_WIDTH                                                                               \
    FM_FIELD(fm_zoo_options, width, FM_FIELD_REAL, "factor of the channels", .default_value = 1,   \
             .minimum = 1e-3, .maximum = 100)

/* The families; each ends with a record without a name. */
extern const fm_zoo_record fm_zoo_lenet[];
extern const fm_zoo_record fm_zoo_alexnet[];
extern const fm_zoo_record fm_zoo_vgg[];
extern const fm_zoo_record fm_zoo_googlenet[];
extern const fm_zoo_record fm_zoo_resnet[];
extern const fm_zoo_record fm_zoo_cifar_resnet[];
extern const fm_zoo_record fm_zoo_preact_resnet[];
extern const fm_zoo_record fm_zoo_drn[];
extern const fm_zoo_record fm_zoo_mobilenet[];
extern const fm_zoo_record fm_zoo_densenet[];
extern const fm_zoo_record fm_zoo_squeezenet[];
extern const fm_zoo_record fm_zoo_unet[];

#endif
