#include "support/kernel_check.h"
#include "backend/backends.h"

#if FATHOM_HAVE_FAST

static void compare(const op_job *job, const char *backend, const op_result *wanted,
                    const op_result *got, double tolerance, double mean)
{
    for (int k = 0; k < wanted->count; k++) {
        double largest = 1, sum = 0;
        for (int64_t i = 0; i < wanted->elements[k]; i++) {
            if (isfinite(wanted->values[k][i])) largest = fmax(largest, fabs(wanted->values[k][i]));
        }
        for (int64_t i = 0; i < wanted->elements[k]; i++) {
            const double a = wanted->values[k][i], b = got->values[k][i];
            if (a == b || (isnan(a) && isnan(b))) continue;
            sum += fabs(a - b);
            if (fabs(a - b) <= tolerance * largest) continue;
            char shape[FM_SHAPE_TEXT];
            fail_msg("%s %s on %s, output %d, element %lld: %.9g instead of %.9g", job->op->name,
                     fm_shape_text(job->inputs.inputs[0].shape, shape), backend, k, (long long)i, b,
                     a);
        }
        if (sum > mean * largest * (double)wanted->elements[k]) {
            fail_msg("%s on %s, output %d: elements are off by %.3g in the mean", job->op->name,
                     backend, k, sum / (double)wanted->elements[k]);
        }
    }
}

void check_kernels_in_mean(fixture *f, const op_job *job, double tolerance, double mean)
{
    op_result wanted = op_job_run(f, job, FM_F32, "portable", 1);
    for (int i = 0; fm_cpu_backend_at(i); i++) {
        const char *backend = fm_cpu_backend_at(i)->name;
        op_result one = op_job_run(f, job, FM_F32, backend, 1);
        if (strncmp(one.kernel, backend, strlen(backend)) != 0) {
            fail_msg("%s ran on %s instead of %s", job->op->name, one.kernel, backend);
        }
        compare(job, backend, &wanted, &one, tolerance, mean);
        for (int threads = fixture_least_threads(); threads <= 3; threads++) {
            op_result many = op_job_run(f, job, FM_F32, backend, threads);
            compare(job, "more threads", &one, &many, 0, 0);
            op_result_release(f, &many);
        }
        op_result_release(f, &one);
    }
    op_result_release(f, &wanted);
}

void check_kernels(fixture *f, const op_job *job, double tolerance)
{
    check_kernels_in_mean(f, job, tolerance, tolerance);
}

void check_kernels_on(fixture *f, const fm_op *op, const void *attributes, const char *inputs,
                      double tolerance)
{
    op_case parsed = op_case_parse(inputs);
    op_job job = op_job_make(f, op, attributes, &parsed);
    check_kernels(f, &job, tolerance);
    op_job_release(f, &job);
}

#endif
