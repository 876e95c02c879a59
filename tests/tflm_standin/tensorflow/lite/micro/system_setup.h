// Stand-in.
#ifndef STANDIN_SETUP_H_
#define STANDIN_SETUP_H_

namespace tflite {
inline void InitializeTarget() {}
}  // namespace tflite

#endif  // STANDIN_SETUP_H_
