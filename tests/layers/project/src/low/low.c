#include "low/low.h"
#ifdef PROBE_UPWARD
#include "high/high.h"
#endif

int kw_low(void)
{
    return 1;
}
