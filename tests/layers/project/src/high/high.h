#ifndef HIGH_H
#define HIGH_H
int kw_high(void);
#endif
