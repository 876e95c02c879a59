/* Does the library find, in the golden gallery, exactly who the PC found? */
#ifndef FACEREC_SELF_TEST_H
#define FACEREC_SELF_TEST_H

#ifdef __cplusplus
extern "C" {
#endif

/* Called with a line of plain text for every check that failed; NULL: nobody is
 * told. */
typedef void (*facerec_say)(const char *line);

/* Run every check that needs no interpreter. Returns how many failed. */
int facerec_self_test(facerec_say say);

#ifdef __cplusplus
}
#endif

#endif
