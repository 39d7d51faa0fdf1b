/* fathom/fathom.h: all of it.
 *
 *   base.h      contexts, status codes, errors in words       schema.h   options as data
 *   tensor.h    element types and shapes                      graph.h    values, scopes, gradients
 *   options.h   options like keyword arguments
 *   ops.h       the built-in ops                              op.h       writing an op
 *   attention_ops.h  attention, rotary positions, caches of keys and values
 *   vision_ops.h  convolution, pooling, normalisation, resampling
 *   recurrent_ops.h  recurrent cells over sequences
 *   nn.h        layers, activations, initialisers             loss.h     losses
 *   nn_attention.h  embeddings, attention, blocks of transformers
 *   nn_vision.h  layers for images                         zoo.h      networks from the literature
 *   nn_recurrent.h  recurrent layers
 *   metric.h    metrics                                       optimizer.h, schedule.h
 *   program.h   the store of variables, compiled programs     backend.h  writing a backend
 *   data.h      data sets, transforms, the loader             data_files.h  CSV, IDX, NPY, MNIST
 *   built_in_data.h  digits that are drawn, spirals, moons    data_source.h  sets of your own kinds
 *   series.h    time series: windows, the way back            forecast.h  what a model says of them
 *   text_data.h vocabularies, running and labelled texts
 *   image.h     PNG and JPEG, folders of images, CIFAR        augmentation.h  variation
 *   train.h     fit, evaluate, predict                        model_file.h  saving and loading
 *   callback.h  hooks, early stopping, checkpoints            gradients.h  size in each layer
 *   recipe.h    models and trainings as YAML
 *   check.h     what can be seen before a training            tune.h     hyper-parameter searches
 *   generate.h  text from a model of language                  event_file.h  for TensorBoard
 *   latent.h    codes of autoencoders, new samples             explain.h  why a prediction is so
 *   embedding.h  features of a layer, PCA and t-SNE
 *   privacy.h   what a training gives away of its data
 */
#ifndef FATHOM_FATHOM_H
#define FATHOM_FATHOM_H

#include "fathom/audio.h"
#include "fathom/augmentation.h"
#include "fathom/attention_ops.h"
#include "fathom/backend.h"
#include "fathom/base.h"
#include "fathom/built_in_data.h"
#include "fathom/callback.h"
#include "fathom/check.h"
#include "fathom/data.h"
#include "fathom/data_files.h"
#include "fathom/data_source.h"
#include "fathom/embedding.h"
#include "fathom/event_file.h"
#include "fathom/explain.h"
#include "fathom/forecast.h"
#include "fathom/generate.h"
#include "fathom/gradients.h"
#include "fathom/graph.h"
#include "fathom/image.h"
#include "fathom/latent.h"
#include "fathom/loss.h"
#include "fathom/metric.h"
#include "fathom/model_file.h"
#include "fathom/nn.h"
#include "fathom/nn_attention.h"
#include "fathom/nn_recurrent.h"
#include "fathom/nn_vision.h"
#include "fathom/op.h"
#include "fathom/ops.h"
#include "fathom/optimizer.h"
#include "fathom/options.h"
#include "fathom/privacy.h"
#include "fathom/program.h"
#include "fathom/recipe.h"
#include "fathom/recurrent_ops.h"
#include "fathom/schedule.h"
#include "fathom/schema.h"
#include "fathom/series.h"
#include "fathom/tensor.h"
#include "fathom/text_data.h"
#include "fathom/train.h"
#include "fathom/tune.h"
#include "fathom/vision_ops.h"
#include "fathom/zoo.h"

#endif
