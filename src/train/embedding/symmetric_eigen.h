/* Eigenvalues and eigenvectors of small symmetric matrices. */
#ifndef FM_TRAIN_EMBEDDING_SYMMETRIC_EIGEN_H
#define FM_TRAIN_EMBEDDING_SYMMETRIC_EIGEN_H

#include <stdint.h>

/* a: (n, n) symmetric, destroyed: its diagonal becomes the eigenvalues, the largest first. vectors:
 * (n, n), row i the unit eigenvector of eigenvalue i. By cyclic rotations (Jacobi 1846; Golub and
 * Van Loan, "Matrix Computations", section 8.5). */
void fm_symmetric_eigen(double *a, int64_t n, double *vectors);

#endif
