#include "train/carry.h"
#include "base/memory.h"

#include <string.h>

static size_t variable_bytes(const fm_carried_variable *variable)
{
    return (size_t)fm_shape_bytes(variable->shape, variable->dtype);
}

static size_t carried_bytes(const fm_program *program)
{
    size_t bytes = 0;
    fm_carried_variable variable;
    for (int i = 0; (variable = fm_program_carried(program, i)).path; i++) {
        bytes += variable_bytes(&variable);
    }
    return bytes;
}

fm_status fm_carry_take(fm_context *context, const fm_program *program, fm_carry *carry)
{
    size_t bytes = carried_bytes(program);
    if (bytes != carry->bytes) {
        fm_carry_release(carry);
        carry->context = context;
        carry->data = fm_allocate(context, bytes);
        if (!carry->data) return FM_ERROR_MEMORY;
        carry->bytes = bytes;
    }
    char *to = carry->data;
    fm_carried_variable variable;
    for (int i = 0; (variable = fm_program_carried(program, i)).path; i++) {
        memcpy(to, variable.data, variable_bytes(&variable));
        to += variable_bytes(&variable);
    }
    return FM_OK;
}

fm_status fm_carry_put(const fm_carry *carry, fm_program *program)
{
    if (carried_bytes(program) != carry->bytes) return fm_program_reset(program);
    const char *from = carry->data;
    fm_carried_variable variable;
    for (int i = 0; (variable = fm_program_carried(program, i)).path; i++) {
        memcpy(variable.data, from, variable_bytes(&variable));
        from += variable_bytes(&variable);
    }
    return FM_OK;
}

void fm_carry_release(fm_carry *carry)
{
    if (carry->data) fm_release(carry->context, carry->data);
    *carry = (fm_carry){0};
}
