#ifndef LOW_H
#define LOW_H
int kw_low(void);
#endif
