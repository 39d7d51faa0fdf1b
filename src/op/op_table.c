#include "op/op_table.h"

#define ADDRESS(name, ...) &fm_op_##name,

static const fm_op *const ops[] = {FM_UNARY_OPS(ADDRESS) FM_PARAMETER_OPS(ADDRESS)
                                       FM_BINARY_OPS(ADDRESS) FM_OTHER_OPS(ADDRESS)
                                           FM_VISION_OPS(ADDRESS) FM_RECURRENT_OPS(ADDRESS)
                                               FM_ATTENTION_OPS(ADDRESS) FM_UPDATE_OPS(ADDRESS)};

const fm_op *fm_op_at(int i)
{
    return i >= 0 && i < (int)(sizeof ops / sizeof ops[0]) ? ops[i] : NULL;
}
