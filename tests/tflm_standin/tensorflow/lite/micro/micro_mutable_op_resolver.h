// Stand-in: counts what is registered, as the real resolver refuses more than it has room for.
#ifndef STANDIN_RESOLVER_H_
#define STANDIN_RESOLVER_H_

#include "tensorflow/lite/c/common.h"

namespace tflite {

class MicroOpResolver {
 public:
  unsigned registered() const { return registered_; }

 protected:
  unsigned registered_ = 0;
};

template <unsigned int tOpCount>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
  TfLiteStatus AddAdd() { return Add(); }
  TfLiteStatus AddConv2D() { return Add(); }
  TfLiteStatus AddDepthwiseConv2D() { return Add(); }
  TfLiteStatus AddMean() { return Add(); }

 private:
  TfLiteStatus Add() { return ++registered_ <= tOpCount ? kTfLiteOk : kTfLiteError; }
};

}  // namespace tflite

#endif  // STANDIN_RESOLVER_H_
