/* From pixels to the network's input. */
#ifndef FACEREC_IMAGE_H
#define FACEREC_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the network is fed for each pixel value: x stands for x / 127.5 - 1,
 * which becomes a step of the input tensor by its scale and zero point (those
 * that the .tflite states). Halves go up. With the usual scale of 2/255 and
 * zero point -1 that is x - 128. Needs double arithmetic, once at the start;
 * a scale that is not above zero leaves `levels` alone and returns 0, else 1. */
int facerec_input_levels(int8_t levels[256], double scale, int32_t zero_point);

/* Replace every pixel value by its level: uint8 RGB, cropped and resized to the
 * network's side, row by row, `count` = side * side * 3 bytes. `input` may be
 * the memory of `rgb`. */
void facerec_image_to_input(const uint8_t *rgb, size_t count,
                            const int8_t levels[256], int8_t *input);

#ifdef __cplusplus
}
#endif

#endif
