/* The inside of a transform: everything that a fit learned, and nothing that it did not.
 *
 * A number v of "x" becomes (v - center) * factor, with `fill` in place of a missing one; each
 * group of elements has one such rule. A categorical column becomes one or more columns. */
#ifndef FM_DATA_TRANSFORM_H
#define FM_DATA_TRANSFORM_H

#include "data/dataset.h"
#include "fathom/text_data.h"

enum { FM_MOST_OUTPUTS = 65536 }; /* of a sample with categorical columns */

typedef struct fm_rule {
    double fill, center, factor; /* fill is NaN where a missing number stays one */
} fm_rule;

typedef struct fm_column_code {
    int64_t output, width; /* where it goes in the output row */
    bool missing;          /* missing values are a category of their own, after the others */
} fm_column_code;

struct fm_transform {
    fm_context *context;
    int references;
    fm_arena words;                /* all that follows lives here */
    fm_dataset_info input, output; /* of input, categories are those seen in training */
    int statistics;                /* EACH, CHANNEL or ALL: what a group is */
    int64_t elements, groups;      /* of "x" */
    fm_rule *rules;                /* of each group */
    int encode;
    fm_column_code *codes;     /* of each column of "x"; NULL: no categorical ones */
    int target;                /* fm_target, not AUTO */
    fm_rule *target_rules;     /* of each column of "y"; NULL: no "y", or classes */
    fm_vocabulary *vocabulary; /* of texts; NULL: "x" is numbers */
    int64_t rows;              /* of a stateful text */
};

/* The group of element e of a sample. */
static inline int64_t fm_rule_group(const fm_transform *transform, int64_t e)
{
    if (transform->statistics == FM_STATISTICS_EACH) return e;
    return transform->statistics == FM_STATISTICS_CHANNEL ? e % transform->groups : 0;
}

/* An empty transform for an input; x's and y's descriptions are copied. statistics, encode and
 * target must be set (not AUTO) before `shape`. */
fm_status fm_transform_begin(fm_context *context, const fm_dataset_info *input,
                             fm_transform **transform);
/* Makes the rules and codes for statistics, as yet (fill NaN, center 0, factor 1). */
fm_status fm_transform_make_rules(fm_transform *transform);
/* From input, codes and target to the output's description. */
fm_status fm_transform_finish(fm_transform *transform);

/* Are labels looked at, or made of something else? */
static inline bool fm_target_reads_y(int target)
{
    return target != FM_TARGET_INPUT && target != FM_TARGET_SAMPLE;
}

bool fm_transform_has_categories(const fm_data_field *field);

/* The set that a transformed one was made from, sample by sample; NULL when `root` is none. */
const fm_dataset *fm_dataset_raw(const fm_dataset *root);

extern const char *const fm_statistics_names[];
extern const char *const fm_encode_names[];
extern const char *const fm_target_names[];

#endif
