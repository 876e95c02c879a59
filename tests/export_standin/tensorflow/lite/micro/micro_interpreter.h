// Stand-in.
#include "standin.h"
