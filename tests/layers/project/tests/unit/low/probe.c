#include "low/low.h"

#ifdef PROBE_CALL
int kw_high(void); /* declared by hand, so that only the linker can object */
#else
#define kw_high() 0
#endif

int main(void)
{
    return kw_low() - 1 + kw_high();
}
