/* Features of a set's samples, what the samples are, and maps of them: for `embed` and `report`. */
#ifndef FM_CLI_EMBEDDING_MAP_H
#define FM_CLI_EMBEDDING_MAP_H

#include "cli/output_meaning.h"
#include "base/memory.h"
#include "fathom/embedding.h"

/* labels    of the classes that the data names, else of those that the model says (`predicted`),
 *           from 0, -1: none; NULL: there are no classes
 * values    where the data says a number, and no class; else NULL */
typedef struct embedding {
    invocation *s;
    const saved_model *saved;
    fm_arena arena;
    const char *layer; /* valid with the arena */
    fm_shape shape;
    int64_t all, count, width; /* all: samples of the set, count of which are mapped */
    uint32_t *numbers; /* theirs in the set; of several views of a sample the first is taken */
    double *features;  /* (count, width) */
    int32_t *labels;
    bool predicted;
    int class_count;
    const char **names;
    double *values;
    const char *value_name;
} embedding;

/*  raw, prepared  the set before and after the model's transform
 *  layer          NULL: what the head reads; of an autoencoder the narrowest layer
 *  most           samples: evenly spread over the set; 0: all */
typedef struct embedding_request {
    const fm_dataset *raw, *prepared;
    const char *layer;
    bool pool;
    int64_t most;
} embedding_request;

/* close also after a failure. */
fm_status embedding_open(invocation *s, const saved_model *saved, const embedding_request *request,
                         embedding *made);
void embedding_close(embedding *made);

typedef struct embedding_method {
    const char *name, *title; /* "tsne", "t-SNE" */
    bool is_tsne;
} embedding_method;
extern const embedding_method
    embedding_methods[]; /* ends with name NULL; the first is the default */

/* explained   shares of the variance, of PCA
 * agreement   share of the 10 nearest with the same class, in the features and in the map;
 *             NaN without classes */
typedef struct embedding_map {
    const embedding_method *method;
    double *places; /* (count, 2), in the embedding's arena */
    double explained[2];
    fm_tsne_result tsne;
    double agreement[2];
} embedding_map;

enum { EMBEDDING_NEIGHBORS = 10 };

/* Tells how far it is on the terminal; Ctrl-C is FM_ERROR_CANCELLED. tsne may be NULL. */
fm_status embedding_map_make(embedding *of, const embedding_method *method,
                             const fm_tsne_options *tsne, embedding_map *map);

/* "PC 1: 34.1 % of the variance, PC 2: 12.0 %", or "perplexity 30, divergence 0.8312". */
const char *embedding_map_note(const embedding_map *map, char buffer[128]);

#endif
